"""A few held-out rows inside the bundle: a server tries a model on them before the model answers anybody."""

import struct
from pathlib import Path

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ModelError
from forebay.state.files import write_bytes

EXAMPLES = "examples.safetensors"
IMAGES = "images_NHWC"  # name of the one tensor, uint8 pixels
MAX_ROWS = 4
MAX_ROWS_BYTES = 1 << 20  # all rows together; one row is always written
_FIX = "Take the bundle from the registry again."
MAX_EXAMPLES_BYTES = 512 << 20  # room for one image of the largest size that a spec may name, and the header


def example_rows(height: int, width: int, channels: int) -> int:
    """How many rows a bundle holds; fewer, where images are large."""
    return max(1, min(MAX_ROWS, MAX_ROWS_BYTES // (height * width * channels)))


def write_examples(folder: Path, images_NHWC: NDArray[np.uint8]) -> None:
    """Write rows beside the weights; no file where there are no rows."""
    if len(images_NHWC):
        write_bytes(folder / EXAMPLES, safetensors.numpy.save({IMAGES: np.ascontiguousarray(images_NHWC)}))


def parse_examples(folder: Path, content: bytes, spec: ModelSpec) -> NDArray[np.uint8]:
    """The rows from the bytes of the file.

    Args:
        folder: the bundle, for the message.
        content: the bytes; empty for an older bundle, which has no such file.
        spec: the model's.

    Returns:
        uint8 (N, H, W, C) in the spec's size; N is 0 where the bundle has none.

    Raises:
        ModelError: the file holds something else.
    """
    shape = (spec.height, spec.width, spec.channels)
    if not content:
        return np.empty((0, *shape), np.uint8)
    try:
        tensors = safetensors.numpy.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, struct.error, MemoryError) as error:
        raise ModelError(f"{folder / EXAMPLES} cannot be read: {error}. {_FIX}") from error
    images = tensors.get(IMAGES)
    if len(tensors) != 1 or images is None or images.dtype != np.uint8 or images.shape[1:] != shape:
        raise ModelError(
            f"{folder / EXAMPLES} must hold uint8 images of {'x'.join(map(str, shape))} and nothing else. {_FIX}"
        )
    return images
