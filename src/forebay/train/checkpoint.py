"""Checkpoints that are whole or absent, found again by what they depend on.

A checkpoint is one safetensors file `step-<number>.<sha256 of its bytes>`; everything that is not a tensor stands as
JSON in its metadata. It appears under that name by one rename, and the one before it goes only after that, so whenever
the process dies a whole checkpoint remains. Its digest tells a torn or changed file. With a mirror, copies lie in an
object store as well, and are fetched from there where this folder has none or an older one.
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
from forebay.state.file_digest import file_sha256
from forebay.train.mirror import Mirror

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

    def __init__(self, folder: Path, mirror: Mirror | None = None) -> None:
        self.folder = folder
        self.mirror = mirror

    @property
    def lock(self) -> FileLock:
        """Held by the step that trains."""
        return FileLock(self.folder / "lock")

    def training_id(self, warn: Callable[[str], None]) -> str:
        """An id that stays the same over every resumption, until `forget`; a damaged one is named and made anew."""
        path = self.folder / "training.json"
        try:
            return str(read_json(path)["training_id"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            warn(
                f"{path} is damaged ({error}). Lost: which run of MLflow belongs to this training; its curves begin in "
                "a new run. The checkpoints beside it are not affected."
            )
        made = uuid.uuid4().hex
        found = self.mirror.training_id(made) if self.mirror else made
        write_json(path, {"training_id": found})
        return found

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Write a checkpoint, make sure it is on the disk, and drop all but the newest two.

        Raises:
            OSError: no space or no permission; the checkpoints before are untouched, and the mirror gets this one.
        """
        data = to_bytes(Saved(tensors, facts))
        name = f"step-{step:010d}.{hashlib.sha256(data).hexdigest()}"
        if self.mirror:
            self.mirror.put(name, data)
        write_bytes(self.folder / name, data)
        _sync(self.folder)
        for old in self._newest_first()[KEPT:]:
            old.unlink()

    def load(self, warn: Callable[[str], None]) -> Saved | None:
        """Read the newest whole checkpoint, or None; damaged ones are named in a warning and removed."""
        local = {path.name for path in self._newest_first()}
        remote = self.mirror.names() if self.mirror else []
        for name in sorted({*local, *remote}, reverse=True):
            try:
                return self._read(name, fetch=name not in local)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                where = f"{self.mirror.folder.uri if self.mirror and name not in local else self.folder}/{name}"
                warn(f"The checkpoint {where} is damaged ({error}); training goes on from an earlier moment.")
                (self.folder / name).unlink(missing_ok=True)
                if self.mirror and name in remote:
                    self.mirror.drop(name)
        return None

    def _read(self, name: str, *, fetch: bool) -> Saved:
        if self.mirror and fetch:
            write_bytes(self.folder / name, self.mirror.fetch(name))
        return _read(self.folder / name)

    def forget(self) -> None:
        """Remove everything but the lock, in the mirror too."""
        if self.mirror:
            self.mirror.forget()
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()

    def flush(self, timeout_s: float) -> None:
        """Wait for the mirror, no longer than given."""
        if self.mirror:
            self.mirror.flush(timeout_s)

    def clear_leftovers(self) -> None:
        """Remove temporary files of a writer that was killed."""
        for path in self.folder.glob(".*"):
            path.unlink()

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)


def to_bytes(saved: Saved) -> bytes:
    """What a checkpoint's file holds."""
    return safetensors.torch.save(saved.tensors, {_FACTS: json.dumps(saved.facts, allow_nan=False)})


def from_bytes(data: bytes) -> Saved:
    """The checkpoint that `to_bytes` gave these bytes of: safetensors and JSON, in which nothing can be run."""
    size = int.from_bytes(data[:8], "little")  # of the header, which safetensors reads from files only
    return Saved(safetensors.torch.load(data), json.loads(json.loads(data[8 : 8 + size])["__metadata__"][_FACTS]))


def _read(path: Path) -> Saved:
    wanted = path.name.rpartition(".")[2]
    found = file_sha256(path)
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
