"""A few held-out rows inside the bundle: whoever loads the model tries it on them before it answers anybody."""

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
IMAGES = "images_NHWC"  # the one tensor: uint8 pixels
MOST_ROWS = 4
ROW_BYTES = 1 << 20  # of all rows together; one is always written
_FIX = "Take the bundle from the registry again."
LARGEST_EXAMPLES = 512 << 20  # one image of the largest size that a spec may name, and the header


def example_rows(height: int, width: int, channels: int) -> int:
    """How many rows a bundle holds, so that large images do not swell it."""
    return max(1, min(MOST_ROWS, ROW_BYTES // (height * width * channels)))


def write_examples(folder: Path, images_NHWC: NDArray[np.uint8]) -> None:
    """Write rows beside the weights; nothing where there are none."""
    if len(images_NHWC):
        write_bytes(folder / EXAMPLES, safetensors.numpy.save({IMAGES: np.ascontiguousarray(images_NHWC)}))


def parse_examples(folder: Path, content: bytes, spec: ModelSpec) -> NDArray[np.uint8]:
    """The rows from the bytes of the file.

    Args:
        folder: of the bundle, for the message.
        content: of the file; empty where a bundle has none (it was made before there were any).

    Returns:
        uint8, (N, H, W, C) of the spec's size; N is 0 where there are none.

    Raises:
        ModelError: it holds something else.
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
