"""The only input tensor of a V2 request: what it announces, and the images in it, whichever way they came."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.images import ImagePreparation
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.protocol.image_files import DEFAULT_PREPARATION, decode_image_files
from forebay.serving.protocol.names import INPUT
from forebay.serving.protocol.pixel_numbers import (
    Shape,
    check_instance_count,
    nesting_depth,
    pixels_from_floats,
    pixels_from_lists,
    pixels_from_numbers,
)
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.serving.rejection import RequestRejectedError, short_repr

PIXEL_TYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
FILES = "BYTES"  # each element is an image file
DATATYPES = (*PIXEL_TYPES, FILES)
LENGTH_BYTES = 4  # before each element of a raw BYTES tensor stands its length, little-endian


@dataclass(frozen=True)
class TargetImages:
    """What a model takes, and where the facts of the files that became it are noted."""

    shape: Shape  # (H, W, C)
    reservation: MemoryReservation = field(default_factory=MemoryReservation.standalone)
    preparation: ImagePreparation = DEFAULT_PREPARATION
    originals: list[OriginalImage] = field(default_factory=list)


@dataclass(frozen=True)
class InputTensor:
    """An input whose name, datatype and shape were checked."""

    document: dict[str, Any]
    datatype: str
    dimensions: Shape  # (N, H, W, C); of files (N,) or (N, 1)

    @property
    def is_files(self) -> bool:
        """Whether its elements are image files."""
        return self.datatype == FILES

    @property
    def size(self) -> int:
        """Number of its elements."""
        return math.prod(self.dimensions)


def check_input(inputs: Any, shape: Shape) -> InputTensor:
    """The input of a request.

    Args:
        inputs: objects with name, datatype and shape, as parsed.
        shape: (H, W, C), which the model takes.

    Raises:
        RequestRejectedError: it is not one tensor of that name, a known datatype and that shape.
    """
    if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
        raise RequestRejectedError(f'expected "inputs": one tensor named {INPUT}, got {short_repr(inputs)}.')
    names = [tensor.get("name") for tensor in inputs]
    if names != [INPUT]:
        raise RequestRejectedError(
            f"expected one input tensor, named {INPUT}, of shape [N, {', '.join(map(str, shape))}], got "
            f"{short_repr(names)}."
        )
    datatype = inputs[0].get("datatype")
    if datatype not in DATATYPES:  # a tuple, because what came may be unhashable
        raise RequestRejectedError(
            f"{INPUT}: expected datatype UINT8 or FP32, pixels from 0 to 255, or {FILES}, image files, got "
            f"{short_repr(datatype)}."
        )
    return InputTensor(dict(inputs[0]), datatype, _dimensions(inputs[0].get("shape"), datatype, shape))


def images_from_raw(tensor: InputTensor, raw: memoryview, target: TargetImages) -> NDArray[np.uint8]:
    """Images from the raw bytes of a tensor; for pixels their number was compared with its shape."""
    if tensor.is_files:
        return _images_from_files(_split_elements(raw, tensor.size), target)
    datatype = PIXEL_TYPES[tensor.datatype]
    values = np.frombuffer(raw, datatype).reshape(tensor.dimensions)
    return values if datatype.itemsize == 1 else pixels_from_floats(values, INPUT)


def raw_size(tensor: InputTensor) -> int | None:
    """How many raw bytes the tensor must have; None where its files decide."""
    return None if tensor.is_files else tensor.size * PIXEL_TYPES[tensor.datatype].itemsize


def images_from_values(tensor: InputTensor, data: list[Any], target: TargetImages) -> NDArray[np.uint8]:
    """Images from numbers, flat or nested, or from files (bytes, or base64 text)."""
    if not tensor.is_files and nesting_depth(data) > 1:
        integers_only = tensor.datatype == "UINT8"
        return pixels_from_lists(data, tensor.dimensions, f"{INPUT}.data", integers_only=integers_only)
    if len(data) != tensor.size:
        kind = "image files" if tensor.is_files else "numbers"
        raise RequestRejectedError(
            f"{INPUT}.data: expected {tensor.size} {kind} for shape {list(tensor.dimensions)}, got {len(data)}."
        )
    if tensor.is_files:
        return _images_from_files([file if isinstance(file, bytes) else {"b64": file} for file in data], target)
    integers_only = tensor.datatype == "UINT8"
    pixels = pixels_from_numbers(data, tensor.dimensions[0], f"{INPUT}.data", integers_only=integers_only)
    return pixels.reshape(tensor.dimensions)


def _dimensions(found: Any, datatype: str, shape: Shape) -> Shape:
    whole = isinstance(found, list) and all(type(size) is int for size in found)
    expected = f"[N, {', '.join(map(str, shape))}]"
    if datatype == FILES:
        fits = whole and (len(found) == 1 or found[1:] == [1])
        expected = "[N], one image file each"
    else:
        fits = whole and tuple(found[1:]) == shape
    if not fits:
        raise RequestRejectedError(f"{INPUT}: expected shape {expected}, got {short_repr(found)}.")
    check_instance_count(found[0], INPUT)
    return tuple(found)


def _images_from_files(files: Sequence[Any], target: TargetImages) -> NDArray[np.uint8]:
    return decode_image_files(files, target.shape, INPUT, target.preparation, target.reservation, target.originals)


def _split_elements(raw: memoryview, count: int) -> list[bytes]:
    """The elements of a raw BYTES tensor."""
    elements, start = [], 0
    for _ in range(count):
        length = int.from_bytes(raw[start : start + LENGTH_BYTES], "little")
        start += LENGTH_BYTES
        if start + length > len(raw):
            break
        elements.append(bytes(raw[start : start + length]))
        start += length
    if len(elements) != count or start != len(raw):
        raise RequestRejectedError(
            f"{INPUT}: expected {count} image files, each after its length in {LENGTH_BYTES} bytes (little-endian), "
            f"got {len(raw)} bytes that end {'early' if len(elements) != count else 'later'}."
        )
    return elements
