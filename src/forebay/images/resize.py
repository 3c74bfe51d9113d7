"""Bring pixels to another size; what becomes of the aspect ratio is `fit`'s business."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CropBox = tuple[float, float, float, float]  # left, top, right, bottom in pixels, of which there may be fractions
LONG = 1 << 20  # pixels of a side above which blocks are averaged first: the filter takes 16 bytes for each


def resize(pixels_HWC: NDArray[np.uint8], height: int, width: int, box: CropBox | None = None) -> NDArray[np.uint8]:
    """Stretch an image, or a part of it, to `height` x `width`; the aspect ratio is not kept.

    Bilinear, averaging over the covered area where it shrinks (Pillow's filter), so large photographs do not alias.

    Args:
        pixels_HWC: uint8 with 1 or 3 channels; not modified.
        height, width: of the result, at least 1.
        box: the part; None for all of it.

    Returns:
        uint8 (height, width, C); the input itself where it has that size already.
    """
    if box is None and pixels_HWC.shape[:2] == (height, width):
        return pixels_HWC
    channels = pixels_HWC.shape[2]
    image = Image.fromarray(pixels_HWC[:, :, 0] if channels == 1 else pixels_HWC)
    if box is None and max(image.size) > LONG:
        image = image.reduce((-(-image.width // LONG), -(-image.height // LONG)))
    resized = np.array(image.resize((width, height), Image.Resampling.BILINEAR, box), dtype=np.uint8)
    return resized.reshape(height, width, channels)
