"""Resize pixels; `fit` decides about the aspect ratio."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CropBox = tuple[float, float, float, float]  # left, top, right, bottom in pixels; fractions are allowed
MAX_FILTERED_SIDE = 1 << 20  # pixels; longer sides are averaged in blocks first, as the filter takes 16 bytes a pixel


def resize(pixels_HWC: NDArray[np.uint8], height: int, width: int, box: CropBox | None = None) -> NDArray[np.uint8]:
    """Stretch an image, or a part of it, to `height` x `width`; the aspect ratio is not kept.

    The filter is Pillow's bilinear one. It averages over the covered area where it shrinks, so large photographs do not
    alias.

    Args:
        pixels_HWC: uint8 with 1 or 3 channels; not modified.
        height, width: size of the result; at least 1.
        box: the part; None for the whole image.

    Returns:
        uint8 (height, width, C); the input itself where it has that size already.
    """
    if box is None and pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC
    channels = pixels_HWC.shape[2]
    image = Image.fromarray(pixels_HWC[:, :, 0] if channels == 1 else pixels_HWC)
    if box is None and max(image.size) > MAX_FILTERED_SIDE:
        image = image.reduce((-(-image.width // MAX_FILTERED_SIDE), -(-image.height // MAX_FILTERED_SIDE)))
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR, box), dtype=np.uint8)
    return resized.reshape(height, width, channels)
