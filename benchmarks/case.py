"""One thing to measure."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Case:
    """One contestant of a comparison. Cases of the same group are measured in turn, round by round."""

    group: str  # what is compared, for example "ingest of 10,000 JPEGs"
    name: str  # who, for example "forebay" or "plain pyarrow"
    unit: str  # of a figure, for example "rows/s"
    better: Literal["higher", "lower"]
    check: Callable[[], None]  # raises AssertionError where the answer is wrong; called once, before any timing
    measure: Callable[[], float]  # does the work once and returns the figure


def rate(work: float, run: Callable[[], object]) -> Callable[[], float]:
    """A measure of work per second of wall time: calls `run` once and divides `work` by its time."""

    def measure() -> float:
        start = time.perf_counter()
        run()
        return work / (time.perf_counter() - start)

    return measure
