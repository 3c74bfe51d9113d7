"""Killed at any moment and started again, a training ends with the weights it would have had."""

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forebay.settings import TrainConfig
from forebay.state import Home, StepLog, is_sealed
from forebay.state.events import read_events
from forebay.tracking import client, experiment_id
from forebay.train import fit
from forebay.train.mlflow_run import TRAINING_TAG
from support.made_once import home_with
from support.prepared_datasets import SMALL_TRAINING
from support.training_child import TrainingChild
from support.watched_training import FirstStep, StopAt, last_step, wait_for_step, warnings

STEPS = 100  # of the small training
Start = Callable[..., TrainingChild]
Small = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of the small training that nothing interrupted."""
    root = tmp_path_factory.mktemp("undisturbed")
    home = home_with(mlflow_template, root / "home")
    log = StepLog(name="train", run_id="whole", home=home, events=root / "events.jsonl")
    return fit(dataset, root / "out", TrainConfig(**SMALL_TRAINING), log).spec.weights_sha256


def tracked_runs(home: Home) -> list[Any]:
    mlflow_client = client(home)
    return list(mlflow_client.search_runs([experiment_id(mlflow_client, home)]))


def test_killed_at_five_random_moments_it_ends_bit_equal_in_one_mlflow_run(
    dataset: Path, home: Home, start: Start, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    moments = sorted(random.Random(3).sample(range(2, STEPS - 2), 5))
    for moment in moments:
        events = tmp_path / f"events-{moment}.jsonl"
        child = start(dataset, tmp_path / "out", events)
        wait_for_step(child, events, moment)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        assert not (tmp_path / "out" / "model.json").exists()
    log = FirstStep(name="train", run_id="", home=home)
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert moments[-1] - 10 <= log.first, "the last start went on from the checkpoint of the epoch before"
    assert len(tracked_runs(home)) == 1


@pytest.mark.parametrize(("place", "at"), [("replace", 5), ("fsync", 8)])
def test_killed_in_the_middle_of_a_checkpoint_write_it_ends_bit_equal(
    dataset: Path, start: Start, steplog: StepLog, tmp_path: Path, small: Small, undisturbed: str, place: str, at: int
) -> None:
    dying = start(dataset, tmp_path / "out", tmp_path / "events.jsonl", DIE_IN=place, DIE_AT=str(at))
    assert dying.wait() == -signal.SIGKILL
    assert list(steplog.home.checkpoints.glob("*/.step-*")), "it died while a checkpoint had its temporary name"
    assert fit(dataset, tmp_path / "out", small(), steplog).spec.weights_sha256 == undisturbed
    assert warnings(steplog) == []
    assert not list(steplog.home.checkpoints.glob("*/.step-*"))


def test_sigterm_writes_a_checkpoint_and_the_next_start_goes_on_from_that_very_step(
    dataset: Path, home: Home, start: Start, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    events = tmp_path / "events.jsonl"
    child = start(dataset, tmp_path / "out", events)
    wait_for_step(child, events, 34)
    child.terminate()
    assert child.wait() == 143
    last = last_step(events)
    log = FirstStep(name="train", run_id="", home=home)
    assert fit(dataset, tmp_path / "out", small(), log).spec.weights_sha256 == undisturbed
    assert log.first == last + 1


@pytest.fixture
def stopped(dataset: Path, home: Home, tmp_path: Path, small: Small) -> StepLog:
    """A home in which the small training was stopped in its fourth epoch; the log for the next try."""
    events = tmp_path / "events.jsonl"
    with pytest.raises(SystemExit) as ended:
        fit(dataset, tmp_path / "stopped", small(), StopAt(name="train", run_id="", home=home, events=events))
    assert ended.value.code == 143
    return StepLog(name="train", run_id="", home=home, events=events)


def test_the_curve_goes_on_in_the_same_mlflow_run_without_a_point_twice(
    stopped: StepLog, dataset: Path, tmp_path: Path, small: Small
) -> None:
    mlflow_client = client(stopped.home)
    (before,) = tracked_runs(stopped.home)
    assert before.info.status == "KILLED"
    result = fit(dataset, tmp_path / "out", small(), stopped)
    (after,) = tracked_runs(stopped.home)
    assert result.spec.lineage["mlflow_run_id"] == before.info.run_id == after.info.run_id
    assert after.info.status == "FINISHED"
    for curve in ("train_loss", "validation_accuracy", "images_per_s"):
        points = mlflow_client.get_metric_history(after.info.run_id, curve)
        assert sorted(point.step for point in points) == list(range(1, 11))
    run = mlflow_client.get_run(after.info.run_id)
    assert run.data.params["data_digest"] == "d" * 64
    assert run.data.params["epochs"] == "10"
    assert run.data.tags["forebay.code_version"] == "test"
    assert run.data.tags[TRAINING_TAG]


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_is_used(
    stopped: StepLog, dataset: Path, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    newest = max(stopped.home.checkpoints.glob("*/step-*"))
    newest.write_bytes(newest.read_bytes()[:-7])
    result = fit(dataset, tmp_path / "out", small(), stopped)
    assert result.spec.weights_sha256 == undisturbed
    (text,) = warnings(stopped)
    assert newest.name in text
    assert "sha256" in text


def test_with_every_checkpoint_damaged_it_starts_over(
    stopped: StepLog, dataset: Path, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    for path in stopped.home.checkpoints.glob("*/step-*"):
        path.write_bytes(b"torn")
    assert fit(dataset, tmp_path / "out", small(), stopped).spec.weights_sha256 == undisturbed
    assert len(warnings(stopped)) == 2


def test_a_finished_training_is_written_again_without_a_step(
    dataset: Path, home: Home, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    events = tmp_path / "events.jsonl"
    log = StepLog(name="train", run_id="", home=home, events=events)
    first = fit(dataset, tmp_path / "first", small(), log)
    assert len(list(home.checkpoints.glob("*/step-*"))) == 1, "the one before it is of no use any more"
    seen = len(read_events(events)[0])
    second = fit(dataset, tmp_path / "second", small(checkpoint_s=7), log)
    assert [event["kind"] for event in read_events(events)[0][seen:]] == ["result"]
    assert second == first
    assert is_sealed(tmp_path / "second")
    assert json.loads((tmp_path / "second" / "history.json").read_text())[-1]["epoch"] == 10
    assert len(tracked_runs(home)) == 1


def test_fresh_forgets_the_checkpoint_and_begins_a_new_mlflow_run(
    stopped: StepLog, dataset: Path, tmp_path: Path, small: Small, undisturbed: str
) -> None:
    stopped.fresh = True
    assert fit(dataset, tmp_path / "out", small(), stopped).spec.weights_sha256 == undisturbed
    assert len(tracked_runs(stopped.home)) == 2
