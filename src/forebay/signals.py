"""Signals that end a process. Only this module installs handlers; each of them has one of two flavours.

- Raise: the signal raises an exception in the main thread, as Ctrl-C does (`raise_on_signals`, `signal_guard`).
- Ask: the signal is a request that a loop looks at where its state is whole (`stop_request`).

A signal that is ignored when a block begins stays ignored: nohup asks for a process that outlives its terminal.
"""

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

from forebay.errors import ExitCode, ForebayError

TERMINATING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_EVERY_S = 0.1
STATUS_BASE = 128  # a shell reports a process that a signal ended with this and the signal's number
_CAUSES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "the end of the terminal"}

MakeError = Callable[[int], BaseException]  # from the number of a signal
Farewell = Callable[[int, ForebayError | None], ForebayError | None]
_farewells: list[Farewell] = []


class SignalInterrupt(KeyboardInterrupt):
    """A signal ends a command as Ctrl-C does; it may be Ctrl-C itself."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def system_exit(number: int) -> SystemExit:
    """The exception that ends a step with the status that a shell would report."""
    return SystemExit(STATUS_BASE + number)


def signal_of(status: object) -> signal.Signals | None:
    """The signal that an exit status stands for; None where the status stands for another end."""
    try:
        return signal.Signals(status - STATUS_BASE) if isinstance(status, int) else None
    except ValueError:
        return None


def interrupt_status(error: KeyboardInterrupt) -> ExitCode:
    """The exit code of a command that was interrupted: 130 for Ctrl-C, 143 for SIGTERM."""
    number = error.number if isinstance(error, SignalInterrupt) else signal.SIGINT
    return ExitCode(STATUS_BASE + number)


def exit_status(error: BaseException) -> ExitCode | None:
    """The exit code of a command that a signal ended with this exception; None for any other exception."""
    if isinstance(error, KeyboardInterrupt):
        return interrupt_status(error)
    number = signal_of(error.code) if isinstance(error, SystemExit) else None
    return ExitCode(STATUS_BASE + number) if number in TERMINATING else None


def describe_cause(status: ExitCode) -> str:
    """What ended a command with this exit code, for a person: `Ctrl-C`, `SIGTERM`, `the end of the terminal`."""
    return _CAUSES[signal.Signals(status - STATUS_BASE)]


def raise_on_signals(make_error: MakeError = SignalInterrupt) -> None:
    """From now on every signal that ends a process raises an exception in the main thread, also a second one."""

    def handle(number: int, frame: FrameType | None) -> None:
        raise make_error(number)

    for number in _heeded():
        signal.signal(number, handle)


@dataclass
class SignalGuard:
    """Whether a signal arrived in a block of `signal_guard`."""

    make_error: MakeError
    signal_number: int = 0  # the first one that arrived; 0 before that
    is_deferred: bool = False

    def raise_if_signalled(self) -> None:
        """Raise for a signal that arrived, because Python drops an exception that a finalizer or callback raises."""
        if self.signal_number and not self.is_deferred:
            raise self.make_error(self.signal_number)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Remember a signal that arrives in the block instead of raising, so that the block is not cut in two."""
        self.is_deferred = True
        try:
            yield
        finally:
            self.is_deferred = False


@contextlib.contextmanager
def signal_guard(make_error: MakeError = system_exit) -> Iterator[SignalGuard]:
    """Let a signal end the block as an exception does; later signals do not disturb the block's cleaning up.

    Outside the main thread nothing changes.
    """
    guard = SignalGuard(make_error)
    if threading.current_thread() is not threading.main_thread():
        yield guard
        return
    numbers = _heeded()

    def handle(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        guard.signal_number = number
        guard.raise_if_signalled()

    with _handlers(numbers, handle):
        yield guard


@dataclass(frozen=True, kw_only=True)
class StopTimeouts:
    """How long a request to stop may wait for the loop."""

    acknowledge_s: float = 1.0  # the step in progress may end within this, which loses nothing
    exit_s: float = 3.0  # a process with a local state folder has ended after this


class StopRequest:
    """Whether a signal asked the block of `stop_request` to end."""

    def __init__(self, timeouts: StopTimeouts | None) -> None:
        self.signal_number: int | None = None
        self.before_forced_exit: Callable[[], None] = lambda: None  # called in another thread
        self._timeouts = timeouts
        self._received_at: float | None = None
        self._acknowledged = threading.Event()

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_status(self) -> int:
        """The status of an end by that signal: 143 for SIGTERM, 130 for Ctrl-C."""
        return STATUS_BASE + (self.signal_number or signal.SIGTERM)  # none arrived here: another process got one

    def acknowledge(self) -> bool:
        """Whether a signal arrived. Whoever asks then ends by itself, so no exit is forced any more."""
        if self:
            self._acknowledged.set()
        return bool(self)

    def seconds_left(self) -> float:
        """The time until the process should have ended; at least half a second."""
        exit_s = self._timeouts.exit_s if self._timeouts else math.inf
        elapsed = time.monotonic() - self._received_at if self._received_at is not None else 0.0
        return max(0.5, exit_s - elapsed)

    def wait(self, timeout_s: float) -> None:
        """Sleep until a signal arrives or the time is over."""
        end = time.monotonic() + timeout_s
        while not self and (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, LOOK_EVERY_S))  # a handler that sets an event could deadlock with its waiter

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal; this is the handler."""
        self._received_at = self._received_at or time.monotonic()
        self.signal_number = self.signal_number or number

    def enforce(self, arrivals: int, timeouts: StopTimeouts) -> None:
        """Wait for a signal; where nobody acknowledges it in time, end the process.

        Python runs a handler between two of its own instructions, and one call of torch may take minutes. The number
        of the signal arrives here at once.
        """
        data = os.read(arrivals, 1)
        os.close(arrivals)
        if not data:  # the block is over
            return
        self.receive(data[0])
        if not self._acknowledged.wait(timeouts.acknowledge_s):
            with contextlib.suppress(Exception):  # a checkpoint that cannot be written must not keep the process alive
                self.before_forced_exit()
            force_exit(self.exit_status)

    @contextlib.contextmanager
    def enforced(self, timeouts: StopTimeouts) -> Iterator[None]:
        """End the process where the block does not acknowledge a signal in time."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        woken = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self.enforce, args=(reader, timeouts), daemon=True, name="stop-request").start()
        try:
            yield
        finally:
            self._acknowledged.set()
            signal.set_wakeup_fd(woken)
            os.close(writer)  # which ends the thread


@contextlib.contextmanager
def stop_request(timeouts: StopTimeouts | None = None) -> Iterator[StopRequest]:
    """Turn signals into a request that the block looks at; outside the main thread nothing changes.

    Args:
        timeouts: after which the process ends although nobody looked; None waits for the block however long it takes.
    """
    request = StopRequest(timeouts)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(_handlers(_heeded(), request.receive))
        if timeouts:
            stack.enter_context(request.enforced(timeouts))
        yield request


@contextlib.contextmanager
def keep_ctrl_c() -> Iterator[None]:
    """Put back the handler of Ctrl-C after a block in which a library, such as Spark, installs its own."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def before_forced_exit(act: Farewell) -> Iterator[None]:
    """Have `force_exit` do something that the block's own end would do, such as closing a terminal's bars.

    Args:
        act: takes the exit status and what a person is told so far; returns what a person is told now.
    """
    _farewells.append(act)
    try:
        yield
    finally:
        _farewells.remove(act)


def force_exit(status: int) -> None:
    """End this process at once, while the main thread computes or hangs in a call into C; inner blocks act first."""
    said: ForebayError | None = None
    for act in reversed(_farewells):
        with contextlib.suppress(Exception):  # nothing may keep the process alive
            said = act(status, said) or said
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _heeded() -> tuple[signal.Signals, ...]:
    return tuple(number for number in TERMINATING if signal.getsignal(number) is not signal.SIG_IGN)


@contextlib.contextmanager
def _handlers(numbers: tuple[signal.Signals, ...], handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
