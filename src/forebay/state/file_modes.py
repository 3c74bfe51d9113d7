"""File modes: only its user may read what lies in a state folder, whatever the shell's umask says.

A process that works in a state folder creates files that nobody else may read, and so does every process that it starts
(the engine, steps, Java, MLflow, the server). A result outside the state folder gets the modes of the user's umask when
it is complete.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UMASK = 0o077
_user_umasks: list[int] = []  # the umask before each `private_files` block that is open


@contextmanager
def private_files() -> Iterator[None]:
    """In the block, only the user may read files that this process, or one that it starts, creates."""
    before = os.umask(UMASK)
    _user_umasks.append(before)
    try:
        yield
    finally:
        _user_umasks.pop()
        os.umask(before)


def apply_user_umask(result: Path) -> None:
    """Give a result outside the state folder the modes of the user's umask.

    Args:
        result: a file, or a folder in which everything was written by this command.
    """
    for path in (result, *result.rglob("*")):
        apply_umask_to(path)


def apply_umask_to(path: Path) -> None:
    """Give one file or folder outside the state folder the modes of the user's umask."""
    if not _user_umasks or path.is_symlink():
        return
    mode = stat.S_IMODE(path.lstat().st_mode)
    own = mode & stat.S_IRWXU
    path.chmod(mode | ((own >> 3 | own >> 6) & ~_user_umasks[0]))
