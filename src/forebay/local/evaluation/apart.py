"""Evaluations beside each other: each has its work folder; only those that write the same result exclude each other."""

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from forebay.errors import LockHeldError
from forebay.state import FileLock, Home


@contextmanager
def result_lock(home: Home, out: Path) -> Iterator[None]:
    """Hold the folder that an evaluation writes.

    Raises:
        LockHeldError: another evaluation writes it; the message names both.
    """
    name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    lock = FileLock(home.evaluation / "locks" / name)  # not in the folder itself, which is emptied
    try:
        with lock.held(f"`forebay evaluate --out {out}`"):
            yield
    except LockHeldError as error:
        raise LockHeldError(
            f"--out: {out} is being written by {lock.holder()}. Give another --out, or let that one finish."
        ) from error


@contextmanager
def work_folder(home: Home) -> Iterator[Path]:
    """A folder of this evaluation's own, removed at the end; those of killed ones go too."""
    folders = home.evaluation / "work"
    _clear(folders)
    folder = folders / uuid.uuid4().hex
    folder.mkdir(parents=True)
    with FileLock(folder / "lock").held("`forebay evaluate`"):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _clear(folders: Path) -> None:
    """Remove what killed evaluations left: the kernel has dropped their locks."""
    for folder in folders.glob("*"):
        with suppress(LockHeldError, OSError), FileLock(folder / "lock").held("clearing"):
            shutil.rmtree(folder, ignore_errors=True)
