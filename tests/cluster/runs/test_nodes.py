"""Steps read from the nodes of workflows that ran on a real cluster."""

from forebay.cluster.runs.workflow_nodes import steps_of
from support.fake_pipelines_api import recorded


def test_a_run_that_ended_well_has_all_six_steps_in_their_order() -> None:
    steps = steps_of(recorded("done")["workflow"])
    assert list(steps) == ["ingest", "preprocess", "train", "evaluate", "register", "deploy"]
    assert all(each.phase == "Succeeded" for step in steps.values() for each in step.attempts)
    assert not any(step.cached for step in steps.values())


def test_each_try_names_the_pod_whose_log_there_is() -> None:
    run = recorded("done")
    assert {each.pod for step in steps_of(run["workflow"]).values() for each in step.attempts} == run["logs"].keys()


def test_steps_from_the_cache_have_no_pod() -> None:
    steps = steps_of(recorded("refused")["workflow"])
    assert [name for name, step in steps.items() if step.cached] == ["ingest", "preprocess", "train"]
    assert not any(step.attempts for step in steps.values() if step.cached)


def test_a_pod_that_no_node_takes_waits_with_the_schedulers_words() -> None:
    (waiting,) = steps_of(recorded("waiting")["workflow"])["train"].attempts
    assert waiting.phase == "Pending"
    assert "Insufficient nvidia.com/gpu" in waiting.message


def test_names_without_the_numbers_of_repeated_dags_are_read_as_well() -> None:
    workflow = recorded("done")["workflow"]
    for node in workflow["status"]["nodes"].values():
        node["name"] = node["name"].replace("(0).", ".")
    assert list(steps_of(workflow)) == list(steps_of(recorded("done")["workflow"]))


def test_argos_first_format_of_pod_names_is_the_nodes_id() -> None:
    workflow = recorded("done")["workflow"]
    workflow["metadata"]["annotations"]["workflows.argoproj.io/pod-name-format"] = "v1"
    assert all(
        each.pod in workflow["status"]["nodes"] for step in steps_of(workflow).values() for each in step.attempts
    )


def test_a_workflow_that_does_not_exist_yet_has_no_steps() -> None:
    assert steps_of({}) == {}
