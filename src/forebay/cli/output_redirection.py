"""Sends what libraries print to a file, so that a person sees bars and `--json` stays one object."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from forebay.signals import before_forced_exit

_OUT, _ERR = 1, 2


@contextlib.contextmanager
def redirect_output_to(log: Path) -> Iterator[TextIO]:
    """Point this process's standard output and error at a file for the block.

    The file descriptors themselves are moved, because Spark's Java process writes to them.

    Yields:
        The previous standard error, for what a person should see.
    """
    _flush()
    with log.open("wb") as file, os.fdopen(os.dup(_ERR), "w") as screen:
        out = os.dup(_OUT)
        os.dup2(file.fileno(), _OUT)
        os.dup2(file.fileno(), _ERR)

        def restore(*_: object) -> None:
            _flush()
            os.dup2(out, _OUT)
            os.dup2(screen.fileno(), _ERR)

        try:
            with before_forced_exit(restore):
                yield screen
        finally:
            restore()
            os.close(out)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
