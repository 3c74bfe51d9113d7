"""Every fault of `docs/faults.md` is tried; `make test-faults` runs all of them, the slow ones too."""

import os
from pathlib import Path
from typing import Any

import pytest

from support.fault_cases.case import Case, Ground
from support.fault_cases.place import STEPS, Place
from support.fault_cases.steps import facts, perform
from support.fault_cases.table import CASES
from support.made_once import home_with, made_once
from support.row_tables import digits_table

ALL = os.environ.get("FOREBAY_TEST_FAULTS") == "1"
ROWS = 300


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> tuple[Path, dict[str, Any]]:
    """A folder in which the steps were done one after the other, and the facts of each."""

    def make(folder: Path) -> None:
        place = Place(folder)
        home_with(mlflow_template, place.home.root)
        digits_table(place.rows, ROWS)
        place.images.mkdir()
        for step in STEPS[1:5]:
            perform(step, place)

    template = made_once(tmp_path_factory, "fault-template", make)
    return template, {step: facts(step, Place(template)) for step in STEPS[1:5]}


@pytest.fixture
def ground(
    undisturbed: tuple[Path, dict[str, Any]],
    mlflow_template: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Ground:
    template, found = undisturbed
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Ground(template, found, mlflow_template, tmp_path, request, thorough=ALL)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[pytest.mark.skipif(case.slow and not ALL, reason="make test-faults")])
        for case in CASES
    ],
)
def test_it_ends_resumed_or_failed_by_name(case: Case, ground: Ground) -> None:
    case.act(ground, case.step)
