"""Which container images this machine's engine and a node of kind hold. Asked with `docker`, as kind itself asks.

The SDK would ask another engine where a docker context is in use.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forebay.errors import MachineError

READ_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class StoredImage:
    """A container image, known by its content."""

    image_id: str  # as the engine says it; another kind of digest where the engine keeps images in containerd
    layers: tuple[str, ...]
    created: str

    def is_same_image(self, other: "StoredImage | None") -> bool:
        """Whether both have the same content."""
        if other is None:
            return False
        return self.image_id == other.image_id or (self.layers, self.created) == (other.layers, other.created)


def engine_images(names: Sequence[str]) -> dict[str, StoredImage]:
    """Those of the container images that this machine's engine has, by name.

    Raises:
        MachineError: the engine does not answer.
    """
    found = {}
    for name in names:
        exit_code, output, message = _docker("image", "inspect", name)
        if not exit_code:
            image = json.loads(output)[0]
            found[name] = StoredImage(image["Id"], tuple(image["RootFS"]["Layers"]), image.get("Created", ""))
        elif "no such image" not in message.lower() and "not found" not in message.lower():
            raise MachineError(f"The container engine does not answer: {message}. Start it, or join its group.")
    return found


def node_images(node: str, names: Sequence[str]) -> dict[str, StoredImage]:
    """Those of the container images that a node of kind has, by name; none where it does not run."""
    found = {}
    for name in names:
        exit_code, output, _ = _docker("exec", node, "crictl", "inspecti", "--output", "json", name)
        if not exit_code:
            found[name] = _node_image(json.loads(output))
    return found


def _node_image(image: dict[str, Any]) -> StoredImage:
    spec = (image.get("info") or {}).get("imageSpec") or {}
    layers = (spec.get("rootfs") or {}).get("diff_ids") or [""]  # nothing equals an image without layers
    return StoredImage(image["status"]["id"], tuple(layers), spec.get("created", ""))


def _docker(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output, and in one line what it said about a failure."""
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            ["docker", *arguments],  # noqa: S607 - as kind finds it
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=READ_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        problem = f"`docker {arguments[0]}` did not end within {READ_TIMEOUT_S:.0f} s"
        raise MachineError(f"{problem}. Restart the engine.") from error
    return done.returncode, done.stdout, " ".join(done.stderr.split())
