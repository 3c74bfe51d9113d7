"""One checkpoint: tensors and JSON in a safetensors file, named for its step and for the sha256 of its bytes.

The digest in the name tells a torn or changed file. Nothing is pickled, so that nothing in it can be run.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import safe_open
from torch import Tensor

from forebay.state.file_digest import file_sha256

KEPT_CHECKPOINTS = 2  # the newest, and the one before it in case the newest is damaged
NAME_PATTERN = r"step-\d{10}\.[0-9a-f]{64}"
TRAINING_FILE = "training.json"  # beside the checkpoints; it holds the training's id

_FACTS = "facts"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after a step."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]  # JSON

    def to_bytes(self) -> bytes:
        """The content of the checkpoint's file."""
        return safetensors.torch.save(self.tensors, {_FACTS: json.dumps(self.facts, allow_nan=False)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """Read what `to_bytes` gave."""
        header_bytes = int.from_bytes(data[:8], "little")  # safetensors reads metadata from files only
        metadata = json.loads(data[8 : 8 + header_bytes])["__metadata__"]
        return cls(safetensors.torch.load(data), json.loads(metadata[_FACTS]))

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Read a checkpoint's file.

        Raises:
            OSError, ValueError, KeyError, TypeError, SafetensorError: the file is damaged, or is no checkpoint.
        """
        wanted = path.name.rpartition(".")[2]
        found = file_sha256(path)
        if found != wanted:
            raise ValueError(f"its sha256 is {found[:12]}…, its name says {wanted[:12]}…")
        with safe_open(path, framework="pt") as stored:
            facts = json.loads(stored.metadata()[_FACTS])
            return cls({name: stored.get_tensor(name) for name in stored.keys()}, facts)  # noqa: SIM118 - not a dict


def checkpoint_name(step: int, data: bytes) -> str:
    """The file name of a checkpoint; names sort by step."""
    return f"step-{step:010d}.{hashlib.sha256(data).hexdigest()}"


def checkpoint_key(parts: dict[str, Any]) -> str:
    """The name of a training's checkpoint folder: a digest of everything that its weights depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
