"""Faults that tests of other folders try: whole runs, the server, the state folder."""

from dataclasses import dataclass

from support.fault_cases.case import FAILED, RESUMED


@dataclass(frozen=True)
class Elsewhere:
    """A line of the last table."""

    fault: str
    step: str
    ends: str
    test: str  # file below tests/, and name


_RUN = "e2e/test_failures.py::"
_TRAIN = "train/test_resume.py::"
_REMOTE_CHECKPOINTS = "train/test_remote_checkpoints.py::"

ELSEWHERE = [
    Elsewhere("SIGKILL of the run in every step", "each", RESUMED,
              f"{_RUN}test_a_run_killed_in_every_step_goes_on_and_registers_once"),
    Elsewhere("SIGKILL of a step within a run", "evaluate", RESUMED,
              f"{_RUN}test_a_killed_step_is_tried_again_within_the_run"),
    Elsewhere("SIGTERM of the run", "ingest", FAILED,
              f"{_RUN}test_a_terminated_run_ends_its_steps_and_a_second_run_meanwhile_is_refused"),
    Elsewhere("weights of a cached artifact deleted between two runs", "train", RESUMED,
              f"{_RUN}test_a_deleted_artifact_and_edited_code_each_miss_the_cache"),
    Elsewhere("labels swapped in a cached artifact", "train", RESUMED,
              f"{_RUN}test_swapped_labels_of_a_cached_artifact_are_found_and_it_is_made_anew"),
    Elsewhere("labels swapped in ingest's rows", "preprocess", FAILED,
              "preprocess/test_preprocess.py::test_swapped_labels_between_ingest_and_preprocess_are_refused_by_name"),
    Elsewhere("SIGKILL at five random moments", "train", RESUMED,
              f"{_TRAIN}test_killed_at_five_random_moments_it_ends_bit_equal_in_one_mlflow_run"),
    Elsewhere("SIGKILL in the middle of a checkpoint's write", "train", RESUMED,
              f"{_TRAIN}test_killed_in_the_middle_of_a_checkpoint_write_it_ends_bit_equal"),
    Elsewhere("newest checkpoint damaged", "train", RESUMED,
              f"{_TRAIN}test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_is_used"),
    Elsewhere("every checkpoint damaged", "train", RESUMED,
              f"{_TRAIN}test_with_every_checkpoint_damaged_it_starts_over"),
    Elsewhere("each file of the state folder emptied, cut, changed", "each command", FAILED,
              "damage/test_stored_files.py"),
    Elsewhere("server killed", "deploy", RESUMED,
              "local/server/test_restarts.py::test_a_killed_server_answers_again_and_clients_that_come_meanwhile_wait"),
]  # fmt: skip
