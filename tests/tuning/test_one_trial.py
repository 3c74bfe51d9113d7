"""Trials in pods of their own draw settings from their number and know the others through MLflow; one is chosen."""

import json
from pathlib import Path
from typing import Any

import pytest

from forebay import tracking
from forebay.contracts.bundles.spec import read_spec
from forebay.errors import ConfigError, TrainError
from forebay.settings import TrainConfig
from forebay.state import Home, StepLog, write_json
from forebay.state.events import read_events
from forebay.tuning.draw import draw_settings
from forebay.tuning.one_trial import TrialRequest, choose_trial, run_one_trial
from forebay.tuning.siblings import CURVE, Siblings
from forebay.tuning.space import make_space
from forebay.tuning.trial import STUDY_TAG, TRIAL_TAG

SMALL = TrainConfig(model="mlp", width="16", epochs="3", batch_rows="64")
SPACE = make_space(
    {
        "train.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "train.recipe": ["small", "strong"],
        "train.epochs": {"low": 2, "high": 9},
        "train.dropout": {"low": 0, "high": 0.4, "step": 0.1},
        "train.weight_decay": {"low": 0, "high": 0.5},
    }
)


def test_settings_follow_from_seed_and_number_and_cover_the_space() -> None:
    drawn = [draw_settings(SPACE, 0, number) for number in range(33)]
    assert drawn[0] == {}
    assert drawn[5] == draw_settings(SPACE, 0, 5)
    assert draw_settings(SPACE, 1, 5) != drawn[5]
    assert len({str(settings) for settings in drawn}) == 33
    rates = sorted(float(settings["train.learning_rate"]) for settings in drawn[1:])
    assert [sum(rate < end for rate in rates) for end in (10**-2.5, 10**-2, 10**-1.5)] == [8, 16, 24]
    assert sum(settings["train.recipe"] == "small" for settings in drawn[1:]) in (15, 16, 17)
    assert {int(str(settings["train.epochs"])) for settings in drawn[1:]} == set(range(2, 10))
    assert {settings["train.dropout"] for settings in drawn[1:]} == {0.0, 0.1, 0.2, 0.3, 0.4}


@pytest.fixture
def trials(home: Home, dataset: Path, steplog: StepLog, tmp_path: Path) -> list[Path]:
    space = "train.layer_decay: ['auto', '0.5']"  # which of them, the seed decides; 0.5 cannot be trained with
    folders = [tmp_path / str(number) for number in range(3)]
    for number, folder in enumerate(folders):
        run_one_trial(dataset, folder, SMALL, TrialRequest(number=number, study="s", space=space), steplog)
    return folders


def test_the_best_bundle_is_chosen_and_settings_that_cannot_be_trained_with_are_told(
    trials: list[Path], tmp_path: Path, steplog: StepLog
) -> None:
    told = [json.loads((folder / "trial.json").read_text()) for folder in trials]
    assert sorted(facts["state"] for facts in told) == ["complete", "complete", "failed"]
    assert told[0]["settings"] == {}
    assert told[0]["rows"] == 40
    best = choose_trial(trials, tmp_path / "bundle", steplog)
    assert best["loss"] == min(facts["loss"] for facts in told if "loss" in facts)
    assert read_spec(tmp_path / "bundle") == read_spec(trials[best["number"]] / "bundle")
    assert steplog.events is not None
    [result] = [event for event in read_events(steplog.events)[0] if "tuning" in event]
    assert len(result["tuning"]["trials"]) == 3


def test_where_no_trial_ended_nothing_is_chosen(tmp_path: Path, steplog: StepLog) -> None:
    write_json(tmp_path / "0" / "trial.json", {"number": 0, "state": "pruned", "settings": {}})
    with pytest.raises(TrainError, match="None of 1 trials ended"):
        choose_trial([tmp_path / "0"], tmp_path / "bundle", steplog)


def test_the_default_that_cannot_be_trained_with_ends_its_pod(dataset: Path, tmp_path: Path, steplog: StepLog) -> None:
    wrong = TrainConfig(model="mlp", layer_decay="0.5")
    with pytest.raises(TrainError, match=r"train.layer_decay is 0.5"):
        run_one_trial(dataset, tmp_path / "0", wrong, TrialRequest(number=0, study="s", space=""), steplog)


@pytest.mark.parametrize(("number", "space", "words"), [("x", "", "tune_trials must list"), ("1", "a: [", "no YAML")])
def test_wrong_parameters_are_named(
    dataset: Path, tmp_path: Path, steplog: StepLog, number: str, space: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        run_one_trial(dataset, tmp_path / "1", SMALL, TrialRequest.parse(number, "s", space), steplog)


def _runs(home: Home, losses: dict[int, float]) -> None:
    client = tracking.client(home)
    for number, loss in losses.items():
        tags = {STUDY_TAG: "s", TRIAL_TAG: str(number)}
        run = client.create_run(tracking.experiment_id(client, home), tags=tags)
        client.log_metric(run.info.run_id, CURVE, loss, step=50)


def test_a_trial_ends_where_it_is_worse_than_the_median_of_three_others(home: Home) -> None:
    warned: list[str] = []

    def of(number: int, study: str = "s") -> Siblings:
        return Siblings(home, study, number, warned.append)

    _runs(home, {0: 0.5, 1: 0.6, 2: 0.7})
    assert of(3).is_worse(50, 0.9)
    assert not of(3).is_worse(50, 0.55)
    assert not of(3).is_worse(20, 0.9), "too early"
    assert not of(3).is_worse(60, 0.9), "no other one was seen there"
    assert not of(0).is_worse(50, 0.9), "the default always ends"
    assert not of(3, "other").is_worse(50, 0.9)
    assert warned == []


def test_without_mlflow_no_trial_is_ended_and_it_is_said_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Any) -> None:
        raise ConnectionError("refused")

    monkeypatch.setattr(tracking, "client", away)
    warned: list[str] = []
    siblings = Siblings(home, "s", 3, warned.append)
    assert [siblings.is_worse(percent, 9.0) for percent in (50, 60)] == [False, False]
    assert warned == ["MLflow cannot be asked for the other trials (ConnectionError): none is ended early."]
