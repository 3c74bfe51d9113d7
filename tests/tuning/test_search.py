"""A search trains, judges by validation rows alone, goes on after an interruption, and keeps what a run needs."""

import json
import pickle
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import split_files
from forebay.errors import ConfigError, TrainError
from forebay.settings import TrainConfig
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from forebay.train import fit
from forebay.train.process_group import SINGLE_PROCESS
from forebay.train.step import plan_trainings
from forebay.tuning import search as search_module
from forebay.tuning.default_space import default_space
from forebay.tuning.result import SearchResult, describe_end, describe_gain, ranked
from forebay.tuning.search import Search, SearchRequest
from forebay.tuning.space import make_space
from forebay.tuning.study import COMPLETE
from forebay.tuning.trial import trial_config
from support.prepared_datasets import write_dataset

BASE = {"train.model": "mlp", "train.width": "16", "train.epochs": "3", "train.batch_rows": "64"}
SPACE = make_space({"train.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}})


def request(shards: Path, **changes: Any) -> SearchRequest:
    return replace(
        SearchRequest(shards=shards, base=BASE, given=frozenset(BASE), space=SPACE, trials=5, minutes=10), **changes
    )


def search(home: Home, wanted: SearchRequest) -> SearchResult:
    planned = Search.plan(home, wanted)
    folder = planned.begin(fresh=wanted.fresh)
    return planned.run(StepLog(name="search", run_id="", home=home, events=folder / "events.jsonl"))


@pytest.fixture(scope="module")
def untested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of which nobody can read the test rows, but for the few that become examples of a bundle."""
    return write_dataset(tmp_path_factory.mktemp("tuning") / "patterns")


def test_the_best_trial_is_at_least_as_good_as_the_default_and_mlflow_has_them_under_one_run(
    home: Home, dataset: Path
) -> None:
    result = search(home, request(dataset))
    assert [record.number for record in result.records] == [0, 1, 2, 3, 4]
    assert result.default.settings == {}
    assert result.best.loss is not None
    assert result.default.loss is not None
    assert result.best.loss <= result.default.loss
    assert result.gain is not None
    assert result.gain[0] == pytest.approx(result.default.loss - result.best.loss)
    assert result.rows == 40
    assert result.plot.read_bytes().startswith(b"\x89PNG")
    assert json.loads(json.dumps(result.as_dict()))["best"] == result.best.number
    assert describe_end(result) == "5 trials, as many as --trials=5 asks for"
    assert "40 rows" in describe_gain(result) or result.best.is_default
    with sqlite3.connect(home.mlflow_database) as database:
        tags = database.execute(
            "select run_uuid from tags where key = 'mlflow.parentRunId' and value = ?", (result.mlflow_run_id,)
        )
        assert len(tags.fetchall()) == 5
    assert list((home.mlflow_artifacts / result.mlflow_run_id).rglob("trials.png"))
    assert checkpoints(home) == {result.best.facts["checkpoint"]}


def test_what_makes_trainings_longer_stays_as_it_is_where_the_time_is_short(home: Home, dataset: Path) -> None:
    base = {key: value for key, value in BASE.items() if key != "train.epochs"}
    open_epochs = request(dataset, base=base, given=frozenset(base), space=None, trials=1)
    search(home, open_epochs)
    short = search(home, replace(open_epochs, trials=1_000_000, minutes=0.01))
    drawn = [record.settings for record in short.records[1:]]
    assert drawn
    assert all("train.learning_rate" in settings and "train.epochs" not in settings for settings in drawn)
    events, _ = read_events(next(home.tuning.glob("*/events.jsonl")))
    assert "train.epochs, which make them longer, stay as they are" in " ".join(map(str, events))
    longer = search(home, replace(open_epochs, trials=len(short.records) + 1, minutes=100_000))
    assert "train.epochs" in longer.records[-1].settings


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY\x01\x00torn", pickle.dumps([1.0])], ids=["empty", "torn", "pickle"]
)
def test_damaged_losses_of_rows_are_named_and_cost_no_more_than_the_standard_error(
    home: Home, dataset: Path, content: bytes
) -> None:
    wanted = request(dataset, trials=2)
    search(home, wanted)
    folder = Search.plan(home, wanted).folder
    (folder / "losses-00000.npy").write_bytes(content)
    result = search(home, wanted)
    assert result.gain is None
    assert json.loads(json.dumps(result.as_dict()))["gain"] is None
    assert result.best.is_default or "whether that may be chance is not known" in describe_gain(result)
    told = [event["text"] for event in read_events(folder / "events.jsonl")[0] if event["kind"] == "warning"]
    assert any("losses-00000.npy is damaged" in text for text in told)


def test_mlflow_calls_a_search_without_an_ended_trial_failed(home: Home, dataset: Path) -> None:
    with pytest.raises(TrainError, match="No trial ended within"):
        search(home, request(dataset, minutes=1e-9))
    with sqlite3.connect(home.mlflow_database) as database:
        [(status,)] = database.execute("select status from runs where name like '%study%'").fetchall()
    assert status == "FAILED"


def checkpoints(home: Home) -> set[str]:
    return {folder.name for folder in home.checkpoints.iterdir()}


def test_the_last_run_takes_the_best_training_without_a_step(home: Home, dataset: Path, tmp_path: Path) -> None:
    result = search(home, request(dataset, trials=2))
    events = tmp_path / "events.jsonl"
    log = StepLog(name="train", run_id="", home=home, events=events)
    trained = fit(dataset, tmp_path / "bundle", trial_config(BASE, result.best.settings), log)
    assert [event for event in read_events(events)[0] if event["kind"] == "progress"] == []
    assert trained.spec.lineage["mlflow_run_id"] == result.best.facts["mlflow_run_id"]


def test_a_search_goes_on_where_another_one_ended_and_begins_anew_with_fresh(home: Home, dataset: Path) -> None:
    first = search(home, request(dataset, trials=2))
    events = home.tuning / first.study / "events.jsonl"
    events.unlink()
    again = search(home, request(dataset, trials=3))
    assert again.study == first.study
    assert again.mlflow_run_id == first.mlflow_run_id
    assert {event["step"] for event in read_events(events)[0] if event["kind"] == "started"} == {"trial 2"}
    assert [record.loss for record in again.records[:2]] == [record.loss for record in first.records]
    fresh = search(home, request(dataset, trials=1, fresh=True))
    assert len(fresh.records) == 1
    assert fresh.mlflow_run_id != first.mlflow_run_id
    assert search(home, request(dataset, trials=1, seed=1)).study != first.study


def test_a_trial_that_the_time_ends_goes_on_from_its_checkpoint(
    home: Home, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def over_after(steps: int) -> float:
        asked.append(steps)
        return 0.0 if len(asked) < 12 else 1e9

    monkeypatch.setattr(search_module.time, "monotonic", lambda: over_after(1))
    with pytest.raises(TrainError, match="No trial ended within --minutes=10"):
        search(home, request(dataset, trials=1))
    monkeypatch.undo()
    study = next(home.tuning.iterdir())
    (study / "events.jsonl").unlink()
    result = search(home, request(dataset, trials=1))
    done = [event["done"] for event in read_events(study / "events.jsonl")[0] if event["kind"] == "progress"]
    assert done[0] > 1, "it began at its first step again"
    untouched = fit_alone(home, dataset)
    assert result.best.facts["accuracy"] == pytest.approx(untouched)


def fit_alone(home: Home, dataset: Path) -> float:
    other = Home(home.root.parent / "other").open()
    log = StepLog(name="train", run_id="", home=other, events=other.root / "events.jsonl")
    trained = fit(dataset, other.root / "bundle", trial_config(BASE, {}), log)
    return trained.metrics["validation_accuracy"]


def test_settings_that_cannot_be_trained_with_fail_their_trial_and_not_the_search(home: Home, dataset: Path) -> None:
    space = make_space({"train.layer_decay": ["auto", "0.5"]})
    result = search(home, request(dataset, space=space))
    assert [record.state for record in result.records] == [COMPLETE, "failed"]
    assert "which must" in str(result.records[1].facts["error"]) or "random weights" in result.records[1].facts["error"]
    assert result.ended_by == "space"
    assert describe_gain(result) == "none: no trial was better than the default settings"
    assert result.as_dict()["trials"][1]["error"]


def test_a_default_that_cannot_be_trained_with_ends_the_search_in_its_own_words(home: Home, dataset: Path) -> None:
    wrong = request(dataset, base={**BASE, "train.layer_decay": "0.5"})
    with pytest.raises(TrainError, match=r"train.layer_decay is 0.5, but the training begins with random weights"):
        search(home, wrong)


def test_data_without_validation_rows_are_refused(home: Home, tmp_path: Path) -> None:
    shards = write_dataset(tmp_path / "patterns", validation=0)
    with pytest.raises(ConfigError, match=r"no validation rows, by which trials are judged. Set preprocess.validation"):
        Search.plan(home, request(shards))


def test_the_default_space_lies_around_the_resolved_settings_and_leaves_what_was_given(
    home: Home, dataset: Path
) -> None:
    config = TrainConfig(model="resnet9", width="4")
    [plan] = plan_trainings(dataset, config, SINGLE_PROCESS, home, lambda text: None)
    space = default_space(plan.settings, plan.data, {"train.dropout"})
    rate = space.dimensions["train.learning_rate"]
    assert rate.find(plan.settings.learning_rate) == plan.settings.learning_rate
    assert "train.dropout" not in space.dimensions
    assert "train.layer_decay" not in space.dimensions, "it has a meaning for pretrained weights alone"
    planned = Search.plan(home, request(dataset, base={"train.width": "4"}, given=frozenset(), space=None))
    assert set(planned.default) == set(planned.space.dimensions), "the default has a place in its own space"


def test_no_test_row_is_read_to_judge_a_trial(home: Home, untested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = np.load

    def load(path: Any, *words: Any, **named: Any) -> Any:
        opened.append(Path(path).name)
        return real(path, *words, **named)

    monkeypatch.setattr(np, "load", load)
    from forebay.tuning.trial import score_bundle

    log = StepLog(name="train", run_id="", home=home, events=home.root / "events.jsonl")
    fit(untested, home.root / "bundle", trial_config(BASE, {}), log)
    opened.clear()
    score_bundle(home.root / "bundle", untested)
    test_files = set(split_files(SplitManifest.read(untested), "test"))
    assert not test_files & set(opened)
    assert opened


def test_the_order_is_by_loss_and_then_by_number(home: Home, dataset: Path) -> None:
    result = search(home, request(dataset, trials=3))
    losses = [record.loss for record in ranked(result.records)]
    assert losses == sorted(losses, key=float)  # type: ignore[arg-type]
