"""Looking at a training from outside: its steps as they come, where it went on, and what it warned of."""

import signal
import time
from pathlib import Path
from typing import Any, Protocol

from forebay.state import StepLog
from forebay.state.events import read_events


class Child(Protocol):
    """A process of `subprocess`'s, or one like it."""

    returncode: Any

    def poll(self) -> int | None:
        """The exit code, None while it runs."""


def wait_for_step(child: Child, events: Path, step: int) -> None:
    """Return once the child reports a step of at least this number."""
    offset = 0
    while child.poll() is None:
        found, offset = read_events(events, offset)
        if any(event["kind"] == "progress" and event["done"] >= step for event in found):
            return
        time.sleep(0.002)  # between two looks at the file; the child's end is what bounds them
    raise AssertionError(f"the child ended with {child.returncode} before step {step}")


def wait_for_warning(child: Child, events: Path) -> None:
    """Return once the child warns of something."""
    while child.poll() is None:
        if any(event["kind"] == "warning" for event in read_events(events)[0]):
            return
        time.sleep(0.01)  # between two looks at the file; the child's end is what bounds them
    raise AssertionError(f"the child ended with {child.returncode} and warned of nothing")


def last_step(events: Path) -> int:
    """The last step that was reported."""
    return max(event["done"] for event in read_events(events)[0] if event["kind"] == "progress")


def warnings(log: StepLog) -> list[str]:
    """What a training warned of."""
    assert log.events is not None
    return [event["text"] for event in read_events(log.events)[0] if event["kind"] == "warning"]


class FirstStep(StepLog):
    """Remembers the first step that was done."""

    first = 0

    def progress(self, done: int, total: int, unit: str, measures: Any = None) -> None:
        self.first = self.first or done


class StopAt(StepLog):
    """Sends SIGTERM to its own process at a step."""

    at = 34

    def progress(self, done: int, total: int, unit: str, measures: Any = None) -> None:
        if done == self.at:
            signal.raise_signal(signal.SIGTERM)
