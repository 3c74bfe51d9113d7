"""A lock that dies with its holder, so a killed run never leaves a stale one."""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from forebay.errors import LockHeldError


class FileLock:
    """An advisory `flock` on a file that names its holder.

    The kernel drops it when the holding process ends, however it ends; a pid file would outlive a SIGKILL.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def holder(self) -> str:
        """What the present (or last) holder wrote about itself."""
        return self.path.read_text(errors="replace").strip() if self.path.exists() else ""

    def is_held(self) -> bool:
        """Whether somebody holds it now."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holders_pid(self) -> int | None:
        """The process that holds it, or held it last; None where the file does not say."""
        found = re.search(r"\(process (\d+)\)$", self.holder())
        return int(found[1]) if found else None

    @contextlib.contextmanager
    def held(self, holder: str, *, wait: bool = False, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the lock for the block.

        Args:
            holder: who holds it, for the message another process shows.
            wait: block until it is free instead of refusing.
            waiting: called with the present holder before a wait begins.

        Raises:
            LockHeldError: somebody else holds it; the message names them.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                present = self.holder() or "another process"
                if not wait:
                    raise LockHeldError(
                        f"{self.path} is held by {present}. Let it finish, or end it, and run the same command again."
                    ) from None
                if waiting:
                    waiting(present)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{holder} (process {os.getpid()})\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)
