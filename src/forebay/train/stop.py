"""A request to stop: noticed between two optimizer steps, where the state is whole, or enforced where a step lasts.

Python answers a signal between two of its own instructions, and one call of torch may take minutes. The signal itself
arrives at once, through a file descriptor that a thread reads.
"""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from forebay.state.ending import end_now

STEP_GRACE_S = 1.0  # for the step in progress to end, which loses nothing
ANSWER_S = 3.0  # within which a process with a local state folder has ended


class StopRequest:
    """Which signal arrived, if one did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self.enforced: Callable[[], None] = lambda: None  # in another thread, before an end without the main one
        self._received_at: float | None = None
        self._answered = threading.Event()

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_status(self) -> int:
        """As a shell reports an end by that signal: 143 for SIGTERM, 130 for Ctrl-C."""
        return 128 + (self.signal_number or signal.SIGTERM)  # none here: another process of the team got one

    def answered(self) -> bool:
        """Whether one arrived; asked by whoever then ends, so that nothing is enforced any more."""
        if self:
            self._answered.set()
        return bool(self)

    def seconds_left(self) -> float:
        """Until the process should have ended; at least half a second."""
        since = time.monotonic() - self._received_at if self._received_at is not None else 0.0
        return max(0.5, ANSWER_S - since)

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Signal handler."""
        self._received_at = self._received_at or time.monotonic()
        self.signal_number = self.signal_number or number

    def watch(self, signals: socket.socket) -> None:
        """Wait for a signal's number; where nobody answers it in time, enforce it."""
        data = signals.recv(1)
        if not data:  # the block is over
            return
        self.receive(data[0])
        if not self._answered.wait(STEP_GRACE_S):
            with contextlib.suppress(Exception):  # what cannot be kept must not keep the process
                self.enforced()
            end_now(self.exit_status)


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turn SIGTERM, SIGINT and SIGHUP into a request for the block; outside the main thread nothing is changed."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = {number: signal.signal(number, request.receive) for number in _signals()}
    woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=request.watch, args=(reader,), daemon=True, name="stop-watch").start()
    try:
        yield request
    finally:
        request._answered.set()
        signal.set_wakeup_fd(woken)
        writer.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _signals() -> tuple[signal.Signals, ...]:
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup asks for a run that outlives its terminal
        return signal.SIGTERM, signal.SIGINT
    return signal.SIGTERM, signal.SIGINT, signal.SIGHUP
