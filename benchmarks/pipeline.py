"""Seconds per step of the default pipeline: a whole run in a fresh state folder, then the same run again."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.case import Case

STEPS = ("ingest", "preprocess", "train", "evaluate", "register", "deploy")


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """One case per step and one for the whole; all read the same run of a round."""
    with tempfile.TemporaryDirectory(prefix="forebay-bench-") as folder:
        rounds = _Rounds(Path(folder))
        yield [rounds.case(name) for name in ("whole run", *STEPS, "whole run again, cached")]


class _Rounds:
    """Runs the pipeline when the first case of a round asks, and answers the other cases from that run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: dict[str, int] = {}
        self._runs: list[dict[str, float]] = []

    def case(self, name: str) -> Case:
        return Case(
            group="digits pipeline", name=name, unit="s", better="lower", check=lambda: None,
            measure=lambda: self._figure(name),
        )  # fmt: skip

    def _figure(self, name: str) -> float:
        number = self._asked.get(name, 0)
        self._asked[name] = number + 1
        if number == len(self._runs):
            self._runs.append(self._run(self._folder / str(number)))
        return self._runs[number][name]

    def _run(self, home: Path) -> dict[str, float]:
        first = _forebay(home, "run", "--json")
        again = _forebay(home, "run", "--json")
        _forebay(home, "stop")
        assert first["state"] == again["state"] == "done", "both runs must end with a served model"
        assert first["accuracy"]["value"] > 0.95, "the model must have learned"
        steps = {step["name"]: float(step["seconds"]) for step in first["steps"]}
        return {"whole run": first["seconds"], **steps, "whole run again, cached": again["seconds"]}


def _forebay(home: Path, *words: str) -> dict[str, Any]:
    environment = {**os.environ, "FOREBAY_HOME": str(home), "FOREBAY_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "forebay", *words], env=environment, stdout=subprocess.PIPE, check=True, text=True
    )
    return json.loads(done.stdout) if done.stdout else {}
