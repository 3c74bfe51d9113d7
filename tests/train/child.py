"""The train step in a process that a test may kill: DATASET OUT EVENTS in, progress of every step in EVENTS."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forebay.settings import TrainConfig
from forebay.state import Home, StepLog
from forebay.train import fit
from prepared_patterns import SMALL_TRAINING


class EveryStep(StepLog):
    """Reports every step, so that a test can choose the very one to kill at."""

    def progress(self, done: int, total: int, unit: str) -> None:
        self.emit("progress", done=done, total=total, unit=unit)


def die_in(name: str, at: int) -> None:
    """Kill this process inside the call number `at` of `os.<name>`: a write that never ends."""
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(os, name, call)


def main() -> None:
    dataset, out, events = map(Path, sys.argv[1:])
    home = Home.find().open()
    if place := os.environ.get("DIE_IN"):
        die_in(place, int(os.environ["DIE_AT"]))
    fit(dataset, out, TrainConfig(**SMALL_TRAINING), EveryStep(name="train", run_id="child", home=home, events=events))


if __name__ == "__main__":
    main()
