"""The tables of `docs/faults.md`."""

from collections import Counter

from support.fault_cases.case import Case
from support.fault_cases.elsewhere import ELSEWHERE, Elsewhere
from support.fault_cases.place import STEPS

TEST = "test_it_ends_resumed_or_failed_by_name"

MARK = "<!-- The rest is made of tests/support/fault_cases/table.py by `make golden`. -->\n"


def page(words: str, cases: list[Case]) -> str:
    """The whole file: what stands there before the mark, and the tables anew."""
    ends = Counter(case.ends for case in cases)
    counted = ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))
    lines = [
        f"{words.partition(MARK)[0]}{MARK}",
        f"{len(cases)} faults, {counted}.",
        f"The test of a line is `tests/faults/test_faults.py::{TEST}[NAME]`.\n",
    ]
    for step in STEPS:
        lines += [f"## {step}\n", "| fault | ends | what happens | NAME |", "| --- | --- | --- | --- |"]
        lines += [_line(case) for case in cases if case.step == step] + [""]
    lines += ["## Tested elsewhere\n", "| fault | step | ends | test |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *map(_elsewhere, ELSEWHERE)]) + "\n"


def _line(case: Case) -> str:
    slow = " *(slow)*" if case.slow else ""
    return f"| {case.fault}{slow} | {case.ends} | {case.happens} | `{case.name}` |"


def _elsewhere(each: Elsewhere) -> str:
    return f"| {each.fault} | {each.step} | {each.ends} | `{each.test}` |"
