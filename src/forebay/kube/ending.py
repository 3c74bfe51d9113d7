"""Signals that end a process, so that what it began on a cluster is cleaned up at whatever moment they come."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def exit_code(number: int) -> SystemExit:
    """How a step ends by a signal, as a shell reports it."""
    return SystemExit(128 + number)


def like_ctrl_c(number: int) -> KeyboardInterrupt:
    """How a command ends by one, whichever it was."""
    return KeyboardInterrupt(number)


@dataclass
class Ending:
    """Whether a signal has come."""

    error: Callable[[int], BaseException]
    number: int = 0  # of the first one
    is_held: bool = False

    def check(self) -> None:
        """Raise for a signal that came: Python drops an exception that is raised inside a finalizer or a callback."""
        if self.number and not self.is_held:
            raise self.error(self.number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For what must not be cut in two: a signal that comes in the block is remembered, and raises nothing."""
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False


@contextlib.contextmanager
def ended_by_signals(error: Callable[[int], BaseException] = exit_code) -> Iterator[Ending]:
    """Signals end the block as an exception would, and one that follows does not disturb its cleaning up.

    Args:
        error: makes the exception from the signal's number.
    """
    ending = Ending(error)
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    # one that is ignored stays so: nohup asks for a process that outlives its terminal
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        ending.number = number
        ending.check()

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
