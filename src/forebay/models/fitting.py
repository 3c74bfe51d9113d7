"""Whether a file of weights fits a network, found out from its header before any memory is taken for either."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from safetensors import SafetensorError, safe_open
from torch import Tensor

from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ModelError
from forebay.models.registry import least_elements, sketch

LARGEST_HEADER = 16 << 20  # bytes; the largest networks have some hundred kB
_LENGTH_BYTES = 8  # in which a safetensors file tells the length of its header
# What a network's constructor raises where its options make no sense; each is the bundle's fault.
UNFIT = (
    ArithmeticError, AssertionError, LookupError, MemoryError, OSError, RuntimeError, SafetensorError, TypeError,
    ValueError,
)  # fmt: skip

Shapes = dict[str, tuple[int, ...]]  # by the tensor's name


@dataclass(frozen=True)
class StoredTensors:
    """A file of tensors of which only the header was read."""

    shapes: Shapes
    _file: Any  # safetensors' own

    @property
    def elements(self) -> int:
        """Numbers in all tensors together."""
        return sum(map(prod, self.shapes.values()))

    def read(self) -> dict[str, Tensor]:
        """The tensors; their memory is the file's until they are copied."""
        return {name: self._file.get_tensor(name) for name in self.shapes}


@contextmanager
def open_tensors(file: BinaryIO) -> Iterator[StoredTensors]:
    """Read the header of an open safetensors file.

    Raises:
        ValueError, SafetensorError: it is none.
    """
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header would have {length} bytes, so it is no safetensors file of ours")
    # By its descriptor: this very file was checked, and its name may lead to another one by now.
    with safe_open(f"/dev/fd/{file.fileno()}", framework="pt") as stored:
        yield StoredTensors({name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}, stored)  # noqa: SIM118


def check_fit(spec: ModelSpec, tensors: StoredTensors) -> None:
    """Compare the tensors of a file with those of the network that the spec describes.

    Raises:
        ModelError: there is no such network.
        ValueError: one is missing, unknown or of another shape, or the network is larger than the file by far.
    """
    least = least_elements(spec.architecture, spec.options)
    if tensors.elements < least:
        raise ValueError(f"the network has at least {least} numbers, the file {tensors.elements}")
    wanted = sketch(spec.architecture, spec.options, spec.channels, spec.height, spec.width, len(spec.classes))
    if wanted is None:
        return  # who builds the network finds out
    for problem, names in (
        ("is missing", wanted.keys() - tensors.shapes.keys()),
        ("is not of this network", tensors.shapes.keys() - wanted.keys()),
        ("has another shape", {name for name, shape in tensors.shapes.items() if wanted.get(name, shape) != shape}),
    ):
        if names:
            raise ValueError(f"{min(names)} {problem}")


def check_finite(tensors: Mapping[str, Tensor], weights: Path) -> None:
    """Refuse weights that are no numbers.

    Raises:
        ModelError: NaN or infinity is among them.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(
                f"{weights}: {name} holds numbers that are not finite; the training diverged. Lower "
                "train.learning_rate and train again."
            )


def unfit(spec: ModelSpec, weights: Path, error: Exception) -> ModelError:
    """The error for weights and spec that do not belong together."""
    words = " ".join(str(error).split()) or type(error).__name__
    return ModelError(f"{weights} does not fit {spec.architecture}: {words}. Train the model again with this version.")
