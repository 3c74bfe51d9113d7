"""Bring an image to the size that a model takes; ingest and serving do it alike."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.images.resize import resize
from forebay.settings.image_rules import FULL_BITS, LETTERBOX, STRETCH

PADDING = 0  # black, as in Pillow's ImageOps.pad, torchvision's Pad and TensorFlow's resize_with_pad


@dataclass(frozen=True, kw_only=True)
class ImagePreparation:
    """How ingest prepared the images that a model learned from. The defaults are the rules of older bundles."""

    fit: str = STRETCH
    bits: int = FULL_BITS  # in use in 16-bit images


def fit(pixels_HWC: NDArray[np.uint8], height: int, width: int, how: str) -> NDArray[np.uint8]:
    """Bring an image to `height` x `width`.

    An image with the result's aspect ratio is resized as a whole, whatever `how` says. Else:

    - crop: the largest centred part with the result's aspect ratio is resized. The result is that of scaling the image
      until it covers the result and cutting out the centre, without rounding in between.
    - letterbox: the whole image is scaled to fit inside, and lies in the middle of black.
    - stretch: the whole image is squeezed.

    Args:
        pixels_HWC: uint8 with 1 or 3 channels; not modified.
        height, width: size of the result; at least 1.
        how: one of `FIT_MODES`: crop, letterbox or stretch.

    Returns:
        uint8 (height, width, C); the input itself where it has that size already.
    """
    found_height, found_width, _ = pixels_HWC.shape
    if how == STRETCH or found_height * width == found_width * height:
        return resize(pixels_HWC, height, width)
    if how == LETTERBOX:
        return _letterbox(pixels_HWC, height, width)
    return _crop(pixels_HWC, height, width)


def _crop(pixels_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    found_height, found_width, _ = pixels_HWC.shape
    scale = min(found_height / height, found_width / width)  # pixels of the image per pixel of the result
    rows, top, bottom = _middle(found_height, scale * height, scale)
    columns, left, right = _middle(found_width, scale * width, scale)
    return resize(pixels_HWC[rows, columns], height, width, (left, top, right, bottom))


def _middle(found: int, part: float, scale: float) -> tuple[slice, float, float]:
    """The middle `part` of a side: a slice with it and with all that the filter reads, and its two ends in the slice.

    Pillow counts in single precision, which is too coarse for a side of millions of pixels.
    """
    start, margin = max(0.0, (found - part) / 2), math.ceil(max(scale, 1)) + 1
    first, last = max(0, math.floor(start) - margin), min(found, math.ceil(found - start) + margin)
    return slice(first, last), start - first, found - start - first


def _letterbox(pixels_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    found_height, found_width, channels = pixels_HWC.shape
    scale = min(height / found_height, width / found_width)
    inner_height, inner_width = (max(1, round(scale * side)) for side in (found_height, found_width))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    padded = np.full((height, width, channels), PADDING, np.uint8)
    padded[top : top + inner_height, left : left + inner_width] = resize(pixels_HWC, inner_height, inner_width)
    return padded
