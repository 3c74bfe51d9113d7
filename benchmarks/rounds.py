"""Interleaved rounds: A B C, C B A, A B C, …, so that a machine whose speed drifts slows all of them alike."""

import itertools
import statistics
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.case import Case

ROUNDS = 5


def compare(cases: Iterable[Case], say: Callable[[str], None], rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Check every case, then measure group by group.

    Returns:
        One object per group: `group`, `unit`, `better`, and `results` by name with `median`, `figures`, `ratios` (to
        the first case of the group, which is ours, in the same round; above 1 means a larger figure than ours) and
        `ratio`, their median.
    """
    groups = itertools.groupby(cases, key=lambda case: case.group)
    return [_compare_group(group, list(members), say, rounds) for group, members in groups]


def _compare_group(group: str, cases: list[Case], say: Callable[[str], None], rounds: int) -> dict[str, Any]:
    say(f"{group}: checking")
    for case in cases:
        case.check()
    figures: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(1, rounds + 1):
        say(f"{group}: round {number} of {rounds}")
        for case in cases if number % 2 else cases[::-1]:
            figures[case.name].append(case.measure())
    ours = figures[cases[0].name]
    results = {name: _result(values, ours) for name, values in figures.items()}
    return {"group": group, "unit": cases[0].unit, "better": cases[0].better, "results": results}


def _result(values: list[float], ours: list[float]) -> dict[str, Any]:
    ratios = [value / own for value, own in zip(values, ours, strict=True)]
    return {
        "median": statistics.median(values),
        "figures": values,
        "ratios": ratios,
        "ratio": statistics.median(ratios),
    }
