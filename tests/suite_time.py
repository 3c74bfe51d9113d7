"""Where the suite's time goes, and an end to it; `tests/conftest.py` takes these hooks over."""

import time
from collections import defaultdict

import pytest

BEGAN = time.monotonic()


NOT_RUN = "NOT RUN, its time was up"


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of `make test-quick`, and one of `.ci/run`."""
    parser.addoption(
        "--start-within", type=float, metavar="S", help="skip tests that would begin after so many seconds"
    )
    parser.addoption(
        "--start-until",
        type=float,
        metavar="TIME",
        help="the same after a time of day, as Unix counts",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test too late; what has begun goes on to its end."""
    within, until = item.config.getoption("start_within"), item.config.getoption("start_until")
    late = within is not None and time.monotonic() - BEGAN > within
    if late or (until is not None and time.time() > until):
        pytest.skip(f"{NOT_RUN}; `make test` runs it")


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
