"""Whether a file of weights fits a network: its header tells, before memory is taken for either."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from torch import Tensor

from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ModelError
from forebay.models.architectures import least_weight_count, library_version, weight_shapes

LARGEST_HEADER = 16 << 20  # bytes; the largest networks have some hundred kB
_LENGTH_BYTES = 8  # at the start of a safetensors file; they hold the length of its header
# What a network's constructor raises where its options make no sense; each is the bundle's fault.
BUILD_ERRORS = (
    ArithmeticError, AssertionError, LookupError, MemoryError, OSError, RuntimeError, SafetensorError, TypeError,
    ValueError,
)  # fmt: skip

Shapes = dict[str, tuple[int, ...]]  # by the tensor's name


@dataclass(frozen=True)
class WeightsFile:
    """An open safetensors file of which only the header was read."""

    shapes: Shapes
    _file: Any  # safetensors' handle
    _prefix: str = ""  # of the names in the file, which `shapes` leaves out

    @property
    def weight_count(self) -> int:
        """How many numbers all tensors hold together."""
        return sum(map(prod, self.shapes.values()))

    def read(self) -> dict[str, Tensor]:
        """The tensors; they share the file's memory until they are copied."""
        return {name: self._file.get_tensor(f"{self._prefix}{name}") for name in self.shapes}

    def split(self, prefixes: Sequence[str]) -> "list[WeightsFile]":
        """The part of each prefix, in which names stand without it.

        Raises:
            ValueError: a tensor belongs to no part.
        """
        parts: list[Shapes] = [{} for _ in prefixes]
        for name, shape in self.shapes.items():
            part = next((part for part, prefix in enumerate(prefixes) if name.startswith(prefix)), None)
            if part is None:
                raise ValueError(f"{name} is not of this network")
            parts[part][name.removeprefix(prefixes[part])] = shape
        return [WeightsFile(part, self._file, prefix) for part, prefix in zip(parts, prefixes, strict=True)]


@contextmanager
def open_weights_file(file: BinaryIO) -> Iterator[WeightsFile]:
    """Read the header of an open safetensors file.

    Raises:
        ValueError, SafetensorError: it is no safetensors file.
    """
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header would have {length} bytes, so it is no safetensors file of ours")
    # Opened by its descriptor: this very file was checked, and its name may lead to another file by now.
    with safe_open(f"/dev/fd/{file.fileno()}", framework="pt") as stored:
        yield WeightsFile({name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}, stored)  # noqa: SIM118


def check_shapes(spec: ModelSpec, weights_file: WeightsFile) -> None:
    """Compare the tensors of a file with those of the network that the spec describes.

    Raises:
        ModelError: there is no such network.
        ValueError: a tensor is missing, unknown or of another shape, or the network is far larger than the file.
    """
    least = least_weight_count(spec.architecture, spec.options, library=spec.library)
    if weights_file.weight_count < least:
        raise ValueError(f"the network has at least {least} numbers, the file {weights_file.weight_count}")
    wanted = weight_shapes(
        spec.architecture, spec.options, spec.channels, *spec.network_size, len(spec.classes), library=spec.library
    )
    if wanted is None:
        return  # building the network will tell
    found = weights_file.shapes
    for problem, names in (
        ("is missing", wanted.keys() - found.keys()),
        ("is not of this network", found.keys() - wanted.keys()),
        ("has another shape", {name for name, shape in found.items() if wanted.get(name, shape) != shape}),
    ):
        if names:
            raise ValueError(f"{min(names)} {problem}")


def weights_mismatch(spec: ModelSpec, weights: Path, error: Exception) -> ModelError:
    """The error for weights and a spec that do not belong together."""
    reason = " ".join(str(error).split()) or type(error).__name__
    here = library_version(spec.library)
    fix = "Train the model again with this version."
    if spec.library_version and here != spec.library_version:
        fix = (
            f"It was trained with {spec.library} {spec.library_version}, here is {here}: install that version, or "
            "train the model again."
        )
    return ModelError(f"{weights} does not fit {spec.architecture}: {reason}. {fix}")
