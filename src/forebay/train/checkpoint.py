"""Checkpoints that are whole or absent, found again by what they depend on.

A checkpoint is one safetensors file `step-<number>.<sha256 of its bytes>`; everything that is not a tensor stands as
JSON in its metadata. It appears under that name by one rename, and the one before it goes only after that, so whenever
the process dies a whole checkpoint remains. Its digest tells a torn or changed file.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from forebay.state import FileLock, read_json, write_bytes, write_json

KEPT = 2
_FACTS = "facts"


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def checkpoint_key(parts: dict[str, Any]) -> str:
    """Name of the folder for a training: a digest of everything its weights depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Checkpoints:
    """The checkpoints of one training. Use it only while `lock` is held."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lock(self) -> FileLock:
        """Held by the step that trains."""
        return FileLock(self.folder / "lock")

    def training_id(self) -> str:
        """An id that stays the same over every resumption, until `forget`."""
        path = self.folder / "training.json"
        if not path.exists():
            write_json(path, {"training_id": uuid.uuid4().hex})
        return str(read_json(path)["training_id"])

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a checkpoint, make sure it is on the disk, and drop all but the newest two.

        Raises:
            OSError: no space or no permission; the checkpoints before are untouched.
        """
        data = safetensors.torch.save(tensors, {_FACTS: json.dumps(facts, allow_nan=False)})
        write_bytes(self.folder / f"step-{step:010d}.{hashlib.sha256(data).hexdigest()}", data)
        _sync(self.folder)
        for old in self._newest_first()[KEPT:]:
            old.unlink()

    def load(self, warn: Callable[[str], None]) -> Saved | None:
        """Read the newest whole checkpoint, or None; damaged ones are named in a warning and removed."""
        for path in self._newest_first():
            try:
                return _read(path)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                warn(f"The checkpoint {path} is damaged ({error}); training goes on from an earlier moment.")
                path.unlink(missing_ok=True)
        return None

    def forget(self) -> None:
        """Remove everything but the lock."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def clear_leftovers(self) -> None:
        """Remove temporary files of a writer that was killed."""
        for path in self.folder.glob(".*"):
            path.unlink()

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)


def _read(path: Path) -> Saved:
    wanted = path.name.rpartition(".")[2]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise ValueError(f"its sha256 is {found[:12]}…, its name says {wanted[:12]}…")
    with safe_open(path, framework="pt") as stored:
        facts = json.loads(stored.metadata()[_FACTS])
        return Saved({name: stored.get_tensor(name) for name in stored.keys()}, facts)  # noqa: SIM118 - not a dict


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
