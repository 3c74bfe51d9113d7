"""Where the suite's time goes, and an end to it; `tests/conftest.py` takes these hooks over."""

import time
from collections import defaultdict

import pytest

BEGAN = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    """An option of `make test-quick`."""
    parser.addoption(
        "--start-within", type=float, metavar="S", help="skip tests that would begin after so many seconds"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test too late; what has begun goes on to its end."""
    limit = item.config.getoption("start_within")
    if limit is not None and time.monotonic() - BEGAN > limit:
        pytest.skip("the time for a quick look is up; `make test` runs it")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With `--durations`: the seconds of each folder, of all processes together."""
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
