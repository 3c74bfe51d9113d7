"""Exact mean and deviation per channel, from counts of the 256 pixel values and whole-number arithmetic."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVELS = 256


def channel_histogram(images_NHWC: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count pixel values per channel.

    Returns:
        int64, C x 256. Histograms of two batches add up to the histogram of both, in any order.
    """
    channels = images_NHWC.shape[-1]
    pixels = images_NHWC.reshape(-1, channels)
    return np.stack([np.bincount(pixels[:, channel], minlength=LEVELS) for channel in range(channels)])


def mean_and_std(histogram: NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and population standard deviation per channel, in 0..1 units.

    Sums are Python integers, so the result is the same on every machine and rounded once. A channel that never
    changes has no scale; it gets std 1, which makes it zero after normalisation (`constant_channels` lists it).

    Args:
        histogram: int64, C x 256, each channel with at least one pixel.
    """
    means, stds = [], []
    for counts in histogram.tolist():
        n, total, squares = _moments(counts)
        variance = (n * squares - total * total) / (n * n)
        means.append(total / (n * (LEVELS - 1)))
        stds.append(math.sqrt(variance) / (LEVELS - 1) if variance > 0 else 1.0)
    return means, stds


def constant_channels(histogram: NDArray[np.int64]) -> list[int]:
    """The channels in which every pixel has the same value."""
    return [channel for channel, counts in enumerate(histogram) if np.count_nonzero(counts) == 1]


def _moments(counts: Sequence[int]) -> tuple[int, int, int]:
    total = sum(value * count for value, count in enumerate(counts))
    squares = sum(value * value * count for value, count in enumerate(counts))
    return sum(counts), total, squares
