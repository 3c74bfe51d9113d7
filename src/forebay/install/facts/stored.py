"""Which images this machine's engine and a node of kind hold. Through the `docker` program, as kind itself does.

The SDK would ask another engine where a docker context is in use.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forebay.errors import MachineError

READ_S = 60.0


@dataclass(frozen=True)
class Stored:
    """An image by its content."""

    ident: str  # what the engine calls it; another kind of digest where the engine keeps images in containerd
    layers: tuple[str, ...]
    created: str

    def same(self, other: "Stored | None") -> bool:
        """Whether both are one image."""
        if other is None:
            return False
        return self.ident == other.ident or (self.layers, self.created) == (other.layers, other.created)


def in_engine(names: Sequence[str]) -> dict[str, Stored]:
    """Those of the images that this machine's engine has.

    Raises:
        MachineError: the engine does not answer.
    """
    found = {}
    for name in names:
        code, out, words = _docker("image", "inspect", name)
        if not code:
            each = json.loads(out)[0]
            found[name] = Stored(each["Id"], tuple(each["RootFS"]["Layers"]), each.get("Created", ""))
        elif "no such image" not in words.lower() and "not found" not in words.lower():
            raise MachineError(f"The container engine does not answer: {words}. Start it, or join its group.")
    return found


def on_node(node: str, names: Sequence[str]) -> dict[str, Stored]:
    """Those of the images that a node of kind has; none where it does not run."""
    found = {}
    for name in names:
        code, out, _ = _docker("exec", node, "crictl", "inspecti", "--output", "json", name)
        if not code:
            found[name] = _of_node(json.loads(out))
    return found


def _of_node(each: dict[str, Any]) -> Stored:
    spec = (each.get("info") or {}).get("imageSpec") or {}
    layers = (spec.get("rootfs") or {}).get("diff_ids") or [""]  # nothing equals an image without layers
    return Stored(each["status"]["id"], tuple(layers), spec.get("created", ""))


def _docker(*words: str) -> tuple[int, str, str]:
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            ["docker", *words],  # noqa: S607 - as kind finds it
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READ_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"`docker {words[0]}` did not end within {READ_S:.0f} s. Restart the engine.") from error
    return done.returncode, done.stdout, " ".join(done.stderr.split())
