"""From 16-bit values to 8 bits: how many of the 16 bits are in use, and the scaling that follows."""

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forebay.settings.image_rules import BIT_DEPTHS, FULL_BITS

HOT_PIXEL_EVERY = 1000  # one value in this many may be a hot pixel


class BitDepth(NamedTuple):
    """How many bits the values of one 16-bit image need."""

    bits: int  # the smallest of BIT_DEPTHS that holds all values
    most_bits: int  # the smallest that holds all but the brightest thousandth, which are one value at least


def bit_depth_of(values: NDArray[np.uint16]) -> BitDepth:
    """How many bits the values of one image need."""
    top, hot_pixels = int(values.max()), max(1, values.size // HOT_PIXEL_EVERY)
    bits = next(bits for bits in BIT_DEPTHS if top < 1 << bits)
    fewer = (each for each in BIT_DEPTHS if each < bits and np.count_nonzero(values >= 1 << each) <= hot_pixels)
    return BitDepth(bits, next(fewer, bits))


def scale_to_8_bits(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Scale values of `bits` bits to 0..255.

    16 bits keep their high byte. With fewer, a value is multiplied by 255 / (2^bits - 1) and rounded, halves upward;
    larger values become 255.
    """
    scaled: NDArray[np.uint8] = _table(bits)[values]
    return scaled


@functools.cache
def _table(bits: int) -> NDArray[np.uint8]:
    values = np.arange(1 << FULL_BITS, dtype=np.int64)
    if bits == FULL_BITS:
        return (values >> 8).astype(np.uint8)
    top = (1 << bits) - 1
    scaled: NDArray[np.uint8] = ((np.minimum(values, top) * 510 + top) // (2 * top)).astype(np.uint8)
    return scaled
