"""Where the suite's time goes, and an end to it; `tests/conftest.py` takes these hooks over."""

import time
from collections import defaultdict
from functools import cache

import pytest

from support.machine_speed import slowness

BEGAN = time.monotonic()
NOT_RUN = "NOT RUN, its time was up"
USUAL_S = 30  # that nearly every test ends within, on a usual processor
LONG_S = {  # of tests that start whole runs, trainings or clusters' programs
    "tests/e2e": 300,
    "tests/readme": 300,
    "tests/local/retention/test_real_runs": 200,
    "tests/cli": 200,
    "tests/train/test_process_group": 120,
    "tests/cluster/training/test_train_job": 120,
    "tests/ingest/distributed/test_distributed": 120,
    "tests/ingest/test_ingest": 90,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of `make test-quick`, and one of `.ci/run`."""
    parser.addoption(
        "--start-within", type=float, metavar="S", help="skip tests that would begin after so many seconds"
    )
    parser.addoption(
        "--end-by", type=float, metavar="TIME", help="skip tests that would not end by this time, as Unix counts"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test too late; what has begun goes on to its end."""
    within, end_by = item.config.getoption("start_within"), item.config.getoption("end_by")
    late = within is not None and time.monotonic() - BEGAN > within
    if late or (end_by is not None and time.time() + _takes_s(item.nodeid) > end_by):
        pytest.skip(f"{NOT_RUN}; `make test` runs it")


def _takes_s(nodeid: str) -> float:
    """What a test may take here, its fixtures included."""
    seconds = [seconds for start, seconds in LONG_S.items() if nodeid.startswith(start)]
    return _slowness() * max(seconds, default=USUAL_S)


@cache
def _slowness() -> float:
    return slowness()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not run for want of time; with `--durations` the seconds of each folder, of all processes together."""
    late = [each for each in terminalreporter.stats.get("skipped", []) if NOT_RUN in str(each.longrepr)]
    if late:
        terminalreporter.section(f"{len(late)} TESTS WERE NOT RUN: THEIR TIME WAS UP", sep="#")
    if not terminalreporter.config.getoption("durations"):
        return
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.split("::")[0].rpartition("/")[0]] += report.duration
    terminalreporter.section("seconds of each folder")
    for folder, spent in sorted(seconds.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{spent:7.1f}  {folder}")
    terminalreporter.write_line(f"{sum(seconds.values()):7.1f}  all")
