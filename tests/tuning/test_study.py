"""A study gives out the same trials whether or not a kill came between, and remembers what became of each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forebay.errors import MachineError
from forebay.tuning import study as study_module
from forebay.tuning.space import SearchSpace, make_space
from forebay.tuning.study import COMPLETE, FAILED, MOST_STARTS, PRUNED, RUNNING, Study, Trial, require_optuna

SPACE = make_space(
    {"train.learning_rate": {"low": 0.01, "high": 0.4, "log": True}, "train.recipe": ["small", "strong"]}
)
DEFAULT = {"train.learning_rate": 0.1, "train.recipe": "small"}


def begin(folder: Path, space: SearchSpace = SPACE, default: dict[str, Any] = DEFAULT, seed: int = 0) -> Study:
    return Study(folder, space, default, seed)


def take(study: Study) -> Trial:
    trial = study.next_trial()
    assert trial is not None
    return trial


def complete(trial: Trial) -> None:
    rate = float(trial.settings.get("train.learning_rate", 0.1))
    trial.complete(abs(np.log(rate / 0.05)), np.zeros(2))


def test_a_search_that_was_killed_in_a_trial_draws_what_it_would_have_drawn(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole")
    for _ in range(9):
        complete(take(whole))
    for index in range(9):
        study = begin(tmp_path / "killed")  # each trial in a process of its own
        if index in (0, 4):
            take(study)  # killed in it
            study = begin(tmp_path / "killed")
        complete(take(study))
    drawn = [record.settings for record in whole.records()]
    assert [record.settings for record in begin(tmp_path / "killed").records()] == drawn
    assert drawn[0] == {}
    assert len({str(settings) for settings in drawn}) == 9
    other = begin(tmp_path / "other", seed=1)
    complete(take(other))
    assert take(other).settings != drawn[1]


def test_a_trial_is_pruned_by_the_median_once_others_ended_and_never_the_first(tmp_path: Path) -> None:
    study = begin(tmp_path)
    for loss in (1.0, 2.0, 3.0):
        trial = take(study)
        assert [trial.report(percent, loss) for percent in (20, 40, 100)] == [False] * 3
        complete(trial)
    worse = take(study)
    assert not worse.report(20, 9.0), "too early to tell"
    assert worse.report(40, 9.0)
    assert worse.report(40, 1.0), "a training that goes on tells of the same epoch again"
    worse.prune()
    better = take(study)
    assert not better.report(40, 1.5)
    better.fail("train.layer_decay is 0.5, but …")
    states = [record.state for record in study.records()]
    assert states == [COMPLETE] * 3 + [PRUNED, FAILED]
    assert study.records()[4].facts["error"] == "train.layer_decay is 0.5, but …"


def test_a_trial_in_which_the_process_dies_again_and_again_fails(tmp_path: Path) -> None:
    for _ in range(MOST_STARTS):
        assert take(begin(tmp_path)).number == 0
    study = begin(tmp_path)
    assert take(study).number == 1
    assert [record.state for record in study.records()] == [FAILED, RUNNING]
    assert "the process died in it 3 times" in study.records()[0].facts["error"]


def test_a_trial_that_the_time_ended_is_given_out_again_however_often(tmp_path: Path) -> None:
    for _ in range(MOST_STARTS + 1):
        trial = take(begin(tmp_path))
        assert trial.number == 0
        trial.give_back()


def test_a_space_whose_combinations_were_all_tried_is_exhausted(tmp_path: Path) -> None:
    study = begin(tmp_path, make_space({"train.recipe": ["small", "strong"]}), {"train.recipe": "small"})
    complete(take(study))
    second = take(study)
    assert second.settings == {"train.recipe": "strong"}
    complete(second)
    assert study.next_trial() is None
    assert len(study.records()) == 2


def test_a_default_outside_of_the_space_is_the_first_trial_all_the_same(tmp_path: Path) -> None:
    study = begin(tmp_path, make_space({"train.recipe": ["standard", "strong"]}), {})
    seen = []
    while trial := study.next_trial():
        seen.append(trial.settings)
        complete(trial)
    assert seen[0] == {}
    assert sorted(each["train.recipe"] for each in seen[1:]) == ["standard", "strong"]


def test_without_optuna_the_package_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MachineError, match=r"pip install 'forebay\[tune\]'"):
        require_optuna()
    assert not hasattr(study_module, "optuna")
