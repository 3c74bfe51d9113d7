"""Random rectangles of images, and random erasing with them."""

import math

import torch
from torch import Tensor

from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.chunks import by_chunks
from forebay.train.augmentation.color import channel_means

AREA = (0.02, 0.33)  # fraction of the image
LOG_ASPECT = math.log(3.3)


def erase(images_NCHW: Tensor, probability: float, random: BatchRandom) -> Tensor:
    """Fill a rectangle of some images with the image's mean colour.

    After Zhong et al., "Random erasing data augmentation" (2017), with areas and aspect ratios of theirs.

    Args:
        images_NCHW: uint8; not modified.
        probability: that an image is changed.
        random: numbers for these rows.
    """
    height, width = images_NCHW.shape[2:]
    is_erased = random.uniform() < probability
    area, aspect = random.between(*AREA), torch.exp(random.between(-LOG_ASPECT, LOG_ASPECT))
    sides = torch.stack([(area / aspect).sqrt(), (area * aspect).sqrt()], 1)  # of y and x, as fractions
    covered = rectangles(sides, random.uniform(), random.uniform(), height, width)
    covered &= is_erased.view(-1, 1, 1)
    return by_chunks(_fill, images_NCHW, covered)


def _fill(images_NCHW: Tensor, covered_NHW: Tensor) -> Tensor:
    mean_NC = channel_means(images_NCHW).round().to(torch.uint8)
    return torch.where(covered_NHW.unsqueeze(1).to(images_NCHW.device), mean_NC[:, :, None, None], images_NCHW)


def rectangles(sides: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """One rectangle inside each image.

    Args:
        sides: height and width (N, 2) as fractions of the image; at least a pixel is taken where they are above 0.
        top, left: where it lies, from 0 to 1: from one border to the other.
        height, width: pixels of the image.

    Returns:
        bool (N, H, W), true inside.
    """
    ends = []
    for side, place, pixels in ((sides[:, 0], top, height), (sides[:, 1], left, width)):
        length = (side * pixels).round().clamp(0, pixels) + ((side > 0) & (side * pixels < 0.5))
        start = (place * (pixels - length + 1)).floor().clamp(max=pixels - 1)
        ends.append((start.unsqueeze(1), (start + length).unsqueeze(1), torch.arange(pixels)))
    rows, columns = ((position >= start) & (position < end) for start, end, position in ends)
    return rows.unsqueeze(2) & columns.unsqueeze(1)
