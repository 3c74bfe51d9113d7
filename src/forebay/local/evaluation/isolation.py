"""Lets evaluations run at the same time: each has its own work folder, and each result folder has one writer."""

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
    """Hold the lock of the folder to which an evaluation writes.

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
    """A folder for this evaluation alone, removed at its end; folders of killed evaluations are removed as well."""
    folders = home.evaluation / "work"
    _remove_leftovers(folders)
    folder = folders / uuid.uuid4().hex
    folder.mkdir(parents=True)
    with FileLock(folder / "lock").held("`forebay evaluate`"):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(folders: Path) -> None:
    """Remove the folders of killed evaluations, whose locks the kernel has released."""
    for folder in folders.glob("*"):
        with suppress(LockHeldError, OSError), FileLock(folder / "lock").held("clearing"):
            shutil.rmtree(folder, ignore_errors=True)
