"""One fault in one step, and what must become of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.fault_cases.place import Place, place_before
from support.fault_cases.process import ended
from support.fault_cases.steps import assert_nothing_half_registered, facts, perform

Act = Callable[["Ground", str], None]  # injects a fault into a step and checks the end
RESUMED = "resumed-correct"
FAILED = "failed-by-name"


@dataclass(frozen=True)
class Ground:
    """What the cases share: a chain of artifacts that nothing disturbed, and its facts."""

    template: Path
    undisturbed: dict[str, Any]  # facts by step
    database: Path
    folder: Path  # of this case
    request: pytest.FixtureRequest
    thorough: bool  # whether all cases run, whatever they cost

    def place(self, step: str) -> Place:
        """A fresh place before this step."""
        return place_before(step, self.template, self.folder / "place", self.database)

    def check_resumed(self, step: str, place: Place) -> None:
        """The result of the step is that of one that nothing disturbed."""
        assert facts(step, place) == self.undisturbed[step]

    def check_goes_on(self, step: str, place: Place) -> None:
        """Nothing is half done, and with the fault gone the same step ends as if there had been none."""
        assert_nothing_half_registered(place)
        perform(step, place)
        self.check_resumed(step, place)


@dataclass(frozen=True)
class Case:
    """A line of the table in `docs/faults.md`."""

    fault: str
    step: str
    ends: str  # RESUMED or FAILED
    happens: str  # for people
    act: Act
    slow: bool = False  # runs under `make test-faults` only

    @property
    def name(self) -> str:
        """Of the parametrized test."""
        words = "".join(letter if letter.isalnum() else " " for letter in f"{self.step} {self.fault}".lower())
        return "-".join(words.split())


def fails_by_name(ground: Ground, step: str, place: Place, *words: str, faults: tuple[Any, ...] = ()) -> None:
    """The step, in a process with the faults, fails; what it says holds all the words."""
    assert ended(step, place, *faults) == 1, place.events()
    said = place.failure()["error"]
    for word in words:
        assert word in said, said
    assert_nothing_half_registered(place)
