"""A request to stop, noticed between two optimizer steps, where the state is whole."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Which signal arrived, if one did."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None

    @property
    def exit_status(self) -> int:
        """As a shell reports an end by that signal: 143 for SIGTERM, 130 for Ctrl-C."""
        return 128 + (self.signal_number or signal.SIGTERM)  # none here: another process of the team got one

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        self.signal_number = number


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Turn SIGTERM and SIGINT into a request for the block; outside the main thread nothing is changed."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
