"""An end that cannot wait for the main thread, which computes or hangs in a call of C.

Whoever has something open (a terminal's bars, a redirected output) says here what is still to be done then.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from forebay.errors import ForebayError

Farewell = Callable[[int, ForebayError | None], ForebayError | None]
_farewells: list[Farewell] = []


@contextlib.contextmanager
def before_forced_end(act: Farewell) -> Iterator[None]:
    """Have something done before an end that skips this block's own.

    Args:
        act: gets the exit status and what there is to say to a person so far; returns what there is to say now.
    """
    _farewells.append(act)
    try:
        yield
    finally:
        _farewells.remove(act)


def end_now(status: int) -> None:
    """End this process at once, innermost block first."""
    said: ForebayError | None = None
    for act in reversed(_farewells):
        with contextlib.suppress(Exception):  # nothing may keep the process from its end
            said = act(status, said) or said
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
