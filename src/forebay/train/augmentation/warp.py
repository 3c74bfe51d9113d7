"""Random crops and rotations, by resampling each image on a grid of its own."""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.chunks import by_chunks

LOG_ASPECT = math.log(4 / 3)  # a crop's width over its height lies between 3/4 and 4/3


def crop_and_rotate(images_NCHW: Tensor, crop_scale: float, rotation: float, random: BatchRandom) -> Tensor:
    """Scale a random part of each image to full size, turned by a random angle.

    Both happen in one resampling (bilinear, with mirrored borders). The crops are those of Szegedy et al., "Going
    deeper with convolutions" (2014).

    Args:
        images_NCHW: uint8; not modified.
        crop_scale: smallest part of the area that a crop keeps; 1 for no crops.
        rotation: largest angle in degrees, either way.
        random: numbers for these rows.
    """
    rows, _, height, width = images_NCHW.shape
    matrices = torch.eye(2, 3).repeat(rows, 1, 1)
    if rotation:
        matrices = rotations(torch.deg2rad(random.between(-rotation, rotation)), height, width)
    if crop_scale < 1:
        matrices = _crops(crop_scale, random, matrices)
    return warp(images_NCHW, matrices)


def warp(images_NCHW: Tensor, matrices: Tensor) -> Tensor:
    """Resample uint8 images: each output pixel is taken from where the image's matrix maps it to.

    Args:
        images_NCHW: uint8; not modified.
        matrices: float (N, 2, 3) on (x, y, 1), where x and y go from -1 to 1 over the image.
    """
    return by_chunks(_warp, images_NCHW, matrices)


def _warp(images_NCHW: Tensor, matrices: Tensor) -> Tensor:
    pixels = images_NCHW.to(torch.float32, memory_format=torch.contiguous_format)
    grid = _grid(matrices.to(pixels.device), *images_NCHW.shape[2:])
    warped = grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    return warped.round_().to(torch.uint8)  # a mean of pixels stays within 0 to 255


def rotations(radians: Tensor, height: int, width: int) -> Tensor:
    """The matrices (N, 2, 3) that turn images about their centres; on a screen, positive angles turn to the left."""
    cos, sin, zero = torch.cos(radians), torch.sin(radians), torch.zeros_like(radians)
    aspect = width / height
    return torch.stack([cos, -sin / aspect, zero, sin * aspect, cos, zero], 1).view(-1, 2, 3)


def _grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel's middle is mapped to: (N, H, W, 2).

    As `affine_grid`, but element by element: its matrix product may round in another way for another number of rows.
    """
    x = (torch.arange(width, device=matrices.device) * 2 + 1) / width - 1
    y = ((torch.arange(height, device=matrices.device) * 2 + 1) / height - 1).view(-1, 1)
    by_x, by_y, offset = matrices.view(-1, 2, 3, 1, 1).unbind(2)
    return torch.stack([by_x[:, axis] * x + by_y[:, axis] * y + offset[:, axis] for axis in (0, 1)], 3)


def _crops(crop_scale: float, random: BatchRandom, matrices: Tensor) -> Tensor:
    area = random.between(crop_scale, 1)
    aspect = torch.exp(random.between(-LOG_ASPECT, LOG_ASPECT))
    sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], 1).clamp(max=1)  # of x and y
    centres = (1 - sides) * torch.stack([random.between(-1, 1), random.between(-1, 1)], 1)
    turned, offsets = matrices[:, :, :2], matrices[:, :, 2]
    moved = (turned * centres.unsqueeze(1)).sum(2) + offsets
    return torch.cat([turned * sides.unsqueeze(1), moved.unsqueeze(2)], 2)
