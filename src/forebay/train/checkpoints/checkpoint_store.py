"""The folder of a training's checkpoints, which are whole or absent.

A checkpoint appears under its name by one rename, and the one before it goes only after that. So a whole checkpoint
remains whenever the process dies. With remote checkpoints, copies also lie in an object store, and are fetched from
there where this folder has none or an older one.
"""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from forebay.state import FileLock, read_json, write_bytes, write_json
from forebay.train.checkpoints.checkpoint import KEPT_CHECKPOINTS, TRAINING_FILE, Checkpoint, checkpoint_name
from forebay.train.checkpoints.remote_checkpoints import RemoteCheckpoints


class CheckpointStore:
    """The checkpoints of one training. Use it only while `lock` is held."""

    def __init__(self, folder: Path, remote: RemoteCheckpoints | None = None) -> None:
        self.folder = folder
        self.remote = remote

    @property
    def lock(self) -> FileLock:
        """The step that trains holds it."""
        return FileLock(self.folder / "lock")

    def training_id(self, warn: Callable[[str], None]) -> str:
        """An id that stays the same over every resumption, until `clear`; a damaged id is reported and replaced."""
        path = self.folder / TRAINING_FILE
        try:
            return str(read_json(path)["training_id"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            warn(
                f"{path} is damaged ({error}). Lost: which run of MLflow belongs to this training; its curves begin in "
                "a new run. The checkpoints beside it are not affected."
            )
        new_id = uuid.uuid4().hex
        found = self.remote.training_id(new_id) if self.remote else new_id
        write_json(path, {"training_id": found})
        return found

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a checkpoint, sync it to the disk, and remove all but the newest ones.

        Raises:
            OSError: no space or no permission. Earlier checkpoints are untouched, and this one is still uploaded.
        """
        data = Checkpoint(tensors, facts).to_bytes()
        name = checkpoint_name(step, data)
        if self.remote:
            self.remote.upload_in_background(name, data)
        write_bytes(self.folder / name, data)
        _sync(self.folder)
        self._keep(KEPT_CHECKPOINTS)

    def finish(self) -> None:
        """Remove all but the newest one: of a training that is over, the last moment is enough."""
        self._keep(1)

    def load(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """Read the newest whole checkpoint, or None; damaged ones are named in a warning and removed."""
        local = {path.name for path in self._newest_first()}
        remote = self.remote.names() if self.remote else []
        for name in sorted({*local, *remote}, reverse=True):
            try:
                return self._read(name, download=name not in local)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                where = f"{self.remote.folder.uri if self.remote and name not in local else self.folder}/{name}"
                warn(f"The checkpoint {where} is damaged ({error}); training goes on from an earlier moment.")
                (self.folder / name).unlink(missing_ok=True)
                if self.remote and name in remote:
                    self.remote.delete(name)
        return None

    def _read(self, name: str, *, download: bool) -> Checkpoint:
        if self.remote and download:
            write_bytes(self.folder / name, self.remote.download(name))
        return Checkpoint.read(self.folder / name)

    def clear(self) -> None:
        """Remove everything but the lock, the remote copies too."""
        if self.remote:
            self.remote.clear()
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def flush(self, timeout_s: float) -> None:
        """Wait until the newest checkpoint is uploaded, at most for the given time."""
        if self.remote:
            self.remote.flush(timeout_s)

    def remove_temporary_files(self) -> None:
        """Remove the temporary files of a writer that was killed."""
        for path in self.folder.glob(".*"):
            path.unlink()

    def _keep(self, count: int) -> None:
        for old in self._newest_first()[count:]:
            old.unlink()

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
