"""What a signal does in each of the two flavours, and that one module installs every handler."""

import ast
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import forebay
from forebay.signals import (
    TERMINATING,
    SignalInterrupt,
    exit_status,
    raise_on_signals,
    signal_guard,
    signal_of,
    stop_request,
)

SOURCE = Path(forebay.__file__).parent
# It blocks its signals and waits for them and for the server's end in one call, so that none falls between two looks.
WITHOUT_HANDLERS = SOURCE / "local" / "server" / "supervisor.py"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put the handlers back."""
    before = {number: signal.getsignal(number) for number in TERMINATING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_run_under_nohup_outlives_the_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    raise_on_signals()
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", TERMINATING)
def test_the_end_of_the_terminal_or_kill_ends_a_run_like_ctrl_c(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    raise_on_signals()
    for _ in range(2):  # a second one insists
        with pytest.raises(SignalInterrupt) as caught:
            signal.raise_signal(number)
        assert exit_status(caught.value) == 128 + number


@pytest.mark.usefixtures("handlers")
def test_a_deferred_signal_raises_after_the_block_and_a_second_one_is_ignored() -> None:
    with signal_guard() as guard:
        with guard.deferred():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as caught:
            guard.raise_if_signalled()
    assert caught.value.code == 143


@pytest.mark.usefixtures("handlers")
def test_a_request_to_stop_ends_the_sleep_of_a_loop_and_raises_nothing() -> None:
    begun, before = time.monotonic(), signal.getsignal(signal.SIGTERM)
    with stop_request() as stop:
        threading.Timer(0.05, signal.raise_signal, [signal.SIGTERM]).start()
        stop.wait(60)
        assert stop.acknowledge()
    assert time.monotonic() - begun < 30
    assert (stop.exit_status, signal.getsignal(signal.SIGTERM)) == (143, before)


@pytest.mark.parametrize(("status", "number"), [(143, signal.SIGTERM), (137, signal.SIGKILL), (1, None), ("x", None)])
def test_an_exit_status_tells_its_signal(status: object, number: signal.Signals | None) -> None:
    assert signal_of(status) == number


def test_only_one_module_installs_handlers() -> None:
    installing = {"signal", "set_wakeup_fd", "pthread_sigmask", "sigaction", "siginterrupt"}
    found = {
        path
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "signal" and node.attr in installing
    }
    assert found == {SOURCE / "signals.py", WITHOUT_HANDLERS}
