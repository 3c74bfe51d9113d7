"""Removes from a state folder what the rule of `forebay.local.retention.plan` names."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import LockHeldError
from forebay.local.retention.inventory import list_folder, take_inventory
from forebay.local.retention.plan import plan_removal
from forebay.state import FileLock, Home


@dataclass(frozen=True, kw_only=True)
class RemovedPath:
    """A path that was removed, or would be."""

    path: Path
    bytes: int


def prune(home: Home, keep_runs: int, *, dry_run: bool = False) -> Iterator[RemovedPath]:
    """Remove one path after the other; after a kill in between, the next call removes the rest.

    Raises:
        LockHeldError: a run is in progress. A dry run only looks, so it need not wait for one.
        MachineError: the model registry cannot be read; nothing was removed.
    """
    home = Home(home.root.resolve())  # recorded paths may spell the folder in another way
    with contextlib.nullcontext() if dry_run else home.lock.held("`forebay prune`"):
        inventory = take_inventory(home)
        for path in plan_removal(inventory, keep_runs).paths():
            removed = RemovedPath(path=path, bytes=_size(path))
            if dry_run or _remove(path, is_checkpoint=path in inventory.checkpoints):
                yield removed
        if not dry_run:
            _drop_empty_folders(home.artifacts)


def _remove(path: Path, *, is_checkpoint: bool) -> bool:
    """Remove a file or folder; False for a checkpoint that a training outside any run uses now."""
    with contextlib.ExitStack() as stack:
        if is_checkpoint:
            try:
                stack.enter_context(FileLock(path / "lock").held("`forebay prune`"))
            except LockHeldError:
                return False
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return True


def _drop_empty_folders(folder: Path) -> None:
    for child in list_folder(folder):
        if child.is_dir() and not any(child.iterdir()):
            child.rmdir()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    total = 0
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # of a run that goes on during a dry run
            total += file.lstat().st_size if file.is_file() else 0
    return total
