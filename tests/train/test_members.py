"""Several networks of one training step: each trained and resumed on its own, one model in the end."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forebay.backend.progress_text import epoch_text, progress_text
from forebay.contracts.bundles.spec import ModelSpec, read_spec
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import ConfigError
from forebay.models import load_bundle
from forebay.settings import TrainConfig
from forebay.settings.environment import MLFLOW_RUN_ID
from forebay.state import Home, StepLog, is_sealed
from forebay.state.events import read_events
from forebay.tracking import client, experiment_id
from forebay.train import TrainResult, fit
from support.made_once import home_with
from support.prepared_datasets import SMALL_TRAINING
from support.training_child import TrainingChild
from support.watched_training import FirstStep, wait_for_step

Small = Callable[..., TrainConfig]
Start = Callable[..., TrainingChild]
SETTINGS: dict[str, Any] = {"model": "mlp", "width": "8", "epochs": "3", "seed": 4}
STEPS = 30  # of one member


@pytest.fixture(scope="module")
def three(dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainResult]:
    """The folder in which three members were trained without a disturbance, and the result."""
    root = tmp_path_factory.mktemp("three")
    log = StepLog(name="train", run_id="", home=home_with(mlflow_template, root / "home"), events=root / "events.jsonl")
    return root, fit(dataset, root / "out", TrainConfig(**{**SMALL_TRAINING, **SETTINGS, "members": 3}), log)


def tracked_runs(home: Home) -> list[Any]:
    mlflow_client = client(home)
    return list(mlflow_client.search_runs([experiment_id(mlflow_client, home)]))


def test_the_answer_is_the_mean_of_the_three_models_that_each_seed_alone_gives_bit_for_bit(
    three: tuple[Path, TrainResult], dataset: Path, steplog: StepLog, tmp_path: Path, small: Small
) -> None:
    images = open_split(dataset, SplitManifest.read(dataset), "test").images_NHWC()
    alone = []
    for seed in (4, 5, 6):
        fit(dataset, tmp_path / str(seed), small(**{**SETTINGS, "seed": seed}), steplog)
        alone.append(load_bundle(tmp_path / str(seed)).predict(images))
    expected = (alone[0] + alone[1] + alone[2]) / np.float32(3)
    assert load_bundle(three[0] / "out").predict(images).tobytes() == expected.tobytes()
    assert not np.array_equal(alone[0], alone[1])


def test_the_bundle_says_seeds_runs_and_curves_of_every_member(three: tuple[Path, TrainResult]) -> None:
    root, result = three
    spec: ModelSpec = read_spec(root / "out")
    assert result.spec == spec
    assert is_sealed(root / "out")
    assert (spec.architecture, spec.training["members"], spec.training["seeds"]) == ("ensemble", 3, [4, 5, 6])
    assert [member["architecture"] for member in spec.members] == ["mlp"] * 3
    assert [origin["name"] for origin in spec.lineage["members"]] == ["seed 4", "seed 5", "seed 6"]
    curves = json.loads((root / "out" / "history.json").read_text())
    assert [(point["member"], point["epoch"]) for point in curves] == [(m, e) for m in (1, 2, 3) for e in (1, 2, 3)]
    assert (result.metrics["members"], result.metrics["epochs"]) == (3.0, 9.0)
    last = [point["validation_accuracy"] for point in curves if point["epoch"] == 3]
    assert result.metrics["validation_accuracy"] == pytest.approx(np.mean(last))


def test_progress_counts_over_all_members_and_says_which_one(three: tuple[Path, TrainResult]) -> None:
    shown = [event for event in read_events(three[0] / "events.jsonl")[0] if event["kind"] == "progress"]
    assert {event["total"] for event in shown} == {3 * STEPS}
    done = [event["done"] for event in shown]
    assert done == sorted(done)
    assert shown[-1]["done"] == 3 * STEPS
    assert progress_text(shown[-1]).startswith("90/90 steps, member 3 of 3, epoch 3/3, loss ")
    ended = [event for event in read_events(three[0] / "events.jsonl")[0] if event["kind"] == "epoch"]
    assert epoch_text(ended[-1]).startswith("member 3 of 3, epoch 3/3: train loss ")


def test_each_member_has_a_run_in_mlflow_below_that_of_the_model(three: tuple[Path, TrainResult]) -> None:
    root, result = three
    runs = {run.info.run_id: run for run in tracked_runs(Home(root / "home"))}
    parent = runs.pop(result.spec.lineage["mlflow_run_id"])
    assert (parent.info.status, parent.data.params["members"]) == ("FINISHED", "3")
    members = [runs[origin["mlflow_run_id"]] for origin in result.spec.lineage["members"]]
    assert [run.info.run_name for run in members] == [f"patterns-mlp member {number} of 3" for number in (1, 2, 3)]
    assert {run.data.tags["mlflow.parentRunId"] for run in members} == {parent.info.run_id}
    assert [run.data.params["seed"] for run in members] == ["4", "5", "6"]
    assert len(runs) == 3


def test_killed_in_the_second_member_it_goes_on_there_and_ends_bit_equal(
    three: tuple[Path, TrainResult], dataset: Path, home: Home, start: Start, tmp_path: Path, small: Small
) -> None:
    events = tmp_path / "events.jsonl"
    settings = json.dumps({**SETTINGS, "members": 3})
    child = start(dataset, tmp_path / "out", events, CHANGES=settings)
    wait_for_step(child, events, STEPS + 14)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    log = FirstStep(name="train", run_id="", home=home)
    result = fit(dataset, tmp_path / "out", small(**SETTINGS, members=3), log)
    assert result.spec.weights_sha256 == three[1].spec.weights_sha256
    assert log.first == STEPS + 11, "the first member was not trained again, the second from its first epoch on"
    assert len(tracked_runs(home)) == 4


def test_sigterm_between_two_members_ends_before_the_next_one(
    three: tuple[Path, TrainResult], dataset: Path, home: Home, tmp_path: Path, small: Small
) -> None:
    class StopAtTheEnd(StepLog):
        def progress(self, done: int, total: int, unit: str, measures: Any = None) -> None:
            if done == STEPS:  # the last step of the first member
                signal.raise_signal(signal.SIGTERM)

    config = small(**SETTINGS, members=3)
    with pytest.raises(SystemExit) as ended:
        fit(dataset, tmp_path / "out", config, StopAtTheEnd(name="train", run_id="", home=home))
    assert ended.value.code == 143
    log = FirstStep(name="train", run_id="", home=home)
    assert fit(dataset, tmp_path / "out", config, log).spec.weights_sha256 == three[1].spec.weights_sha256
    assert log.first == STEPS + 1


def test_another_member_is_trained_beside_those_that_are_there(
    three: tuple[Path, TrainResult], dataset: Path, home: Home, tmp_path: Path, small: Small
) -> None:
    fit(dataset, tmp_path / "two", small(**SETTINGS, members=2), StepLog(name="train", run_id="", home=home))
    log = FirstStep(name="train", run_id="", home=home)
    result = fit(dataset, tmp_path / "three", small(**SETTINGS, members=3), log)
    assert log.first == 2 * STEPS + 1
    assert result.spec.weights_sha256 == three[1].spec.weights_sha256


def test_a_run_that_somebody_began_for_the_step_stands_above_the_members(
    dataset: Path, home: Home, steplog: StepLog, tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow_client = client(home)
    given = mlflow_client.create_run(experiment_id(mlflow_client, home)).info.run_id
    monkeypatch.setenv(MLFLOW_RUN_ID, given)
    result = fit(dataset, tmp_path / "out", small(**{**SETTINGS, "epochs": "1"}, members=2), steplog)
    assert result.spec.lineage["mlflow_run_id"] == given
    members = [mlflow_client.get_run(origin["mlflow_run_id"]) for origin in result.spec.lineage["members"]]
    assert {run.data.tags["mlflow.parentRunId"] for run in members} == {given}
    assert all(mlflow_client.get_metric_history(run.info.run_id, "train_loss") for run in members)
    assert not mlflow_client.get_metric_history(given, "train_loss")


def test_early_stop_may_end_each_member_at_another_epoch(
    dataset: Path, steplog: StepLog, tmp_path: Path, small: Small
) -> None:
    changes = {**SETTINGS, "epochs": "12", "early_stop_epochs": 1, "schedule": "constant", "learning_rate": "0.02"}
    fit(dataset, tmp_path / "out", small(**changes, members=2), steplog)
    curves = json.loads((tmp_path / "out" / "history.json").read_text())
    epochs = [max(point["epoch"] for point in curves if point["member"] == member) for member in (1, 2)]
    assert min(epochs) < 12
    assert load_bundle(tmp_path / "out").spec.training["early_stop_epochs"] == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"members": 0}, r"train\.members must be between 1 and 32, got 0"),
        ({"members": 33}, r"train\.members must be between 1 and 32, got 33"),
        ({"members": 2, "seed": 2**31 - 1}, r"train\.seed=2147483647 with train\.members=2 goes past the largest seed"),
        ({"members": 2, "ensemble": "digits/1,digits/2"}, r"train\.members=2 trains networks, .* Give one of them"),
        ({"ensemble": "digits"}, r"train\.ensemble must look like digits/3,digits/5, got 'digits'"),
        ({"ensemble": "digits@champion"}, r"train\.ensemble must look like digits/3,digits/5"),
        ({"ensemble": "digits/1,digits/1"}, r"must name each version once, digits/1 stands twice"),
        ({"ensemble": "digits/1#0123456789ab,digits/1"}, r"must name each version once, digits/1 stands twice"),
        ({"ensemble": "../digits/1"}, r"train\.ensemble must look like"),
    ],
)
def test_settings_that_make_no_ensemble_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        TrainConfig(**settings)
