"""What the whole server process needs: logging, signals, garbage collection, and the lock of its state folder."""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Iterator

from forebay.errors import LockHeldError
from forebay.log_lines import log_to
from forebay.serving.admission.limits import ServerLimits, raise_open_file_limit
from forebay.serving.server.inference_server import exit_after
from forebay.serving.state import ServingFiles
from forebay.settings.environment import CONTAINER_VARIABLE
from forebay.signals import raise_on_signals
from forebay.state import FileLock

LOCK_TRIES = 20
LOCK_RETRY_S = 0.05


def configure_process() -> None:
    """Set up logging to standard error, a clean end on SIGTERM and Ctrl-C, and cheaper garbage collection.

    Call it after the imports and before any model is loaded.
    """
    raise_open_file_limit()
    gc.freeze()  # objects of imports stay; walking them in every collection made large JSON bodies cost five times more
    log_to(sys.stderr)
    raise_on_signals(_clean_exit)


def _clean_exit(number: int) -> SystemExit:
    exit_after(ServerLimits.end_s)  # also where a bundle is being loaded
    return SystemExit(0)


@contextlib.contextmanager
def server_lock(files: ServingFiles) -> Iterator[None]:
    """Hold the server lock of a state folder.

    Raises:
        LockHeldError: another server of this state folder runs.
    """
    with contextlib.ExitStack() as stack:
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                stack.enter_context(FileLock(files.lock).held(_lock_holder()))
                break
            except LockHeldError:  # a command that only checks the lock holds it for an instant
                if not tries_left:
                    raise
                time.sleep(LOCK_RETRY_S)
        yield


def _lock_holder() -> str:
    """What `server.lock` says of this process: a pid inside a container means nothing outside."""
    container = os.environ.get(CONTAINER_VARIABLE)
    return f"the server in container {container}" if container else "the server"
