"""Bring pixels to another size, the same way in ingest and in serving."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(pixels_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Stretch a picture to `height` x `width`; the aspect ratio is not kept.

    Bilinear, averaging over the covered area where it shrinks (Pillow's filter), so large photographs do not alias.

    Args:
        pixels_HWC: uint8 with 1 or 3 channels; not modified.
        height, width: of the result, at least 1.

    Returns:
        uint8 (height, width, C); the input itself where it has that size already.
    """
    if pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC
    channels = pixels_HWC.shape[2]
    image = Image.fromarray(pixels_HWC[:, :, 0] if channels == 1 else pixels_HWC)
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)
    return resized.reshape(height, width, channels)
