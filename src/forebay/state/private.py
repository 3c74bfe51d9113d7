"""What lies in a state folder is its owner's alone: images, models and settings, whatever a shell's umask says.

A process that works there, and so every process that it starts (the engine, steps, Java, MLflow, the server), makes
files that nobody else may read. Results that a person wants elsewhere get the umask's modes when they are done.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UMASK = 0o077
_of_person: list[int] = []  # the umask of before, while one of ours holds


@contextmanager
def private_files() -> Iterator[None]:
    """New files and folders of this process, and of those that it starts, are its user's alone for the block."""
    before = os.umask(UMASK)
    _of_person.append(before)
    try:
        yield
    finally:
        _of_person.pop()
        os.umask(before)


def hand_over(result: Path) -> None:
    """Give a file or folder outside the state folder, and all in it, the modes that the person's umask says.

    Args:
        result: nothing in it belongs to anybody else.
    """
    if not _of_person:
        return
    allowed = ~_of_person[0]
    for path in (result, *result.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        if not path.is_symlink():
            own = mode & stat.S_IRWXU
            path.chmod(mode | ((own >> 3 | own >> 6) & allowed))
