"""From stored pixels to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor


def standardize(images_NCHW: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale each channel to zero mean and unit variance of the training rows.

    Args:
        images_NCHW: uint8 pixels, 0 to 255; not modified.
        mean, std: statistics of the training split per channel, in 0..1 units. A constant channel (std 0) is only
            centred.

    Returns:
        float32 (N, C, H, W) in the memory layout of the input.
    """
    scale = torch.tensor([255 * (value or 1 / 255) for value in std], device=images_NCHW.device).view(1, -1, 1, 1)
    shift = torch.tensor([255 * value for value in mean], device=images_NCHW.device).view(1, -1, 1, 1)
    return (images_NCHW.float() - shift).div_(scale)
