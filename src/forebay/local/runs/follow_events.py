"""Follows a run: shows its events as its steps record them."""

import time
from collections.abc import Callable

from forebay.backend.summary import Event
from forebay.state import RunFolder
from forebay.state.events import read_events


def follow_events(
    run: RunFolder,
    show: Callable[[Event], None],
    ended: Callable[[], int | None],
    between: Callable[[], object] = bool,
    poll_s: float = 0.05,
) -> int:
    """Show the events of a run as they come, until it has ended.

    Args:
        run: the run, whichever process it belongs to.
        show: called with every event.
        ended: the run's exit code, or None while it goes on.
        between: called between two looks.
        poll_s: time between two looks.

    Returns:
        The exit code.
    """
    offset = 0
    while True:
        exit_code = ended()  # before the events, so that none written before the end is missed
        events, offset = read_events(run.events, offset)
        for event in events:
            show(event)
        if exit_code is not None:
            return exit_code
        between()
        time.sleep(poll_s)
