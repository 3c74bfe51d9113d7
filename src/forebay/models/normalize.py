"""From stored pixels to what a network takes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from forebay.settings.image_rules import NEAREST


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


def resize(images_NCHW: Tensor, size: Sequence[int] | None, interpolation: str) -> Tensor:
    """Bring images to the size that a network takes.

    Args:
        images_NCHW: float (N, C, H, W); not modified.
        size: height and width; None leaves the images as they are.
        interpolation: bilinear, bicubic or nearest; the first two average over the pixels that they merge.

    Returns:
        float (N, C, height, width) in the memory layout of the input.
    """
    if size is None or tuple(size) == tuple(images_NCHW.shape[2:]):
        return images_NCHW
    if interpolation == NEAREST:
        return interpolate(images_NCHW, (size[0], size[1]), mode=NEAREST)
    return interpolate(images_NCHW, (size[0], size[1]), mode=interpolation, align_corners=False, antialias=True)
