"""What ends a run, and what does not."""

import signal
from collections.abc import Iterator

import pytest

from forebay.cli.commands.run import end_like_ctrl_c


@pytest.fixture
def hangup() -> Iterator[None]:
    """Put the handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("hangup")
def test_a_run_under_nohup_outlives_the_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    end_like_ctrl_c()
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_the_end_of_the_terminal_or_kill_ends_a_run_like_ctrl_c(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    end_like_ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
