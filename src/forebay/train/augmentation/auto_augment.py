"""RandAugment and TrivialAugment with the operations of torchvision, each image with choices and strengths of its own.

The images of a batch that drew the same operation are changed together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from forebay.models.torchvision_import import import_torchvision
from forebay.train.augmentation import color
from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.warp import rotations, warp


@dataclass(frozen=True, kw_only=True)
class Ranges:
    """The largest strength of each operation."""

    shear: float  # tangent
    translate: float  # fraction of the side
    rotate: float  # degrees
    enhance: float  # of brightness, colour, contrast and sharpness: factors from 1 - enhance to 1 + enhance
    posterize: int  # bits taken away


# As in torchvision, except that shifts are a part of the image's side: 32 pixels would empty an image of 32.
TRIVIAL = Ranges(shear=0.99, translate=0.45, rotate=135.0, enhance=0.99, posterize=6)
RAND = Ranges(shear=0.3, translate=0.45, rotate=30.0, enhance=0.9, posterize=4)
RAND_OPERATIONS = 2
RAND_STRENGTH = 0.3

Operation = Callable[[Tensor, Tensor, Ranges], Tensor]  # images and signed strengths, from -1 to 1


def trivial_augment(images_NCHW: Tensor, random: BatchRandom) -> Tensor:
    """One operation of random strength on each image: Müller & Hutter, "TrivialAugment" (2021), wide ranges."""
    return _apply(images_NCHW, random.integers(len(OPERATIONS)), random.between(-1, 1), TRIVIAL)


def rand_augment(images_NCHW: Tensor, random: BatchRandom) -> Tensor:
    """Two operations of fixed strength on each image: Cubuk et al., "RandAugment" (2019)."""
    for _ in range(RAND_OPERATIONS):
        strengths = torch.where(random.uniform() < 0.5, RAND_STRENGTH, -RAND_STRENGTH)
        images_NCHW = _apply(images_NCHW, random.integers(len(OPERATIONS)), strengths, RAND)
    return images_NCHW


def _apply(images_NCHW: Tensor, choices: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    changed = images_NCHW.clone()
    for index, operation in enumerate(OPERATIONS):
        rows = (choices == index).nonzero()[:, 0]
        if len(rows):
            on_device = rows.to(images_NCHW.device)
            changed[on_device] = operation(images_NCHW[on_device], strengths[rows], ranges)
    return changed


def identity(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Nothing."""
    return images_NCHW


def shear_x(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Shift rows in proportion to their distance from the middle."""
    aspect = images_NCHW.shape[3] / images_NCHW.shape[2]
    return warp(images_NCHW, _moved(strengths, {(0, 1): ranges.shear / aspect}))


def shear_y(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Shift columns in proportion to their distance from the middle."""
    aspect = images_NCHW.shape[3] / images_NCHW.shape[2]
    return warp(images_NCHW, _moved(strengths, {(1, 0): ranges.shear * aspect}))


def translate_x(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Shift sideways."""
    return warp(images_NCHW, _moved(strengths, {(0, 2): 2 * ranges.translate}))


def translate_y(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Shift up or down."""
    return warp(images_NCHW, _moved(strengths, {(1, 2): 2 * ranges.translate}))


def rotate(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Turn about the centre."""
    height, width = images_NCHW.shape[2:]
    return warp(images_NCHW, rotations(torch.deg2rad(strengths * ranges.rotate), height, width))


def brightness(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Lighten or darken."""
    return color.brightness(images_NCHW, 1 + strengths * ranges.enhance)


def saturation(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Strengthen or fade the colours; nothing for grey images."""
    return color.saturation(images_NCHW, 1 + strengths * ranges.enhance)


def contrast(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Strengthen or fade the contrast."""
    return color.contrast(images_NCHW, 1 + strengths * ranges.enhance)


def sharpness(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Sharpen or blur, except for the border of one pixel."""
    channels, height, width = images_NCHW.shape[1:]
    if min(height, width) < 3:
        return images_NCHW
    pixels = images_NCHW.to(torch.float32, memory_format=torch.contiguous_format)
    kernel = torch.ones(channels, 1, 3, 3, device=pixels.device)
    kernel[:, :, 1, 1] = 5
    blurred = conv2d(pixels, kernel / kernel[0].sum(), groups=channels).round_()
    factors = (1 + strengths * ranges.enhance).to(pixels.device).view(-1, 1, 1, 1)
    inner = pixels[:, :, 1:-1, 1:-1]
    pixels[:, :, 1:-1, 1:-1] = (blurred + (inner - blurred) * factors).clamp_(0, 255)
    return pixels.round_().to(torch.uint8)


def posterize(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Clear the lowest bits."""
    cleared = (strengths.abs() * ranges.posterize).round().to(torch.int64)
    masks = (255 >> cleared << cleared).to(torch.uint8)
    return images_NCHW & masks.to(images_NCHW.device).view(-1, 1, 1, 1)


def solarize(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Invert what is brighter than a threshold."""
    thresholds = (255 * (1 - strengths.abs())).round().to(torch.uint8).to(images_NCHW.device).view(-1, 1, 1, 1)
    return torch.where(images_NCHW >= thresholds, 255 - images_NCHW, images_NCHW)


def autocontrast(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Stretch each channel to the full range."""
    return torchvision_functional().autocontrast(images_NCHW)  # type: ignore[no-any-return]


def equalize(images_NCHW: Tensor, strengths: Tensor, ranges: Ranges) -> Tensor:
    """Make the histogram of each channel flat."""
    return torchvision_functional().equalize(images_NCHW)  # type: ignore[no-any-return]


OPERATIONS: tuple[Operation, ...] = (
    identity, shear_x, shear_y, translate_x, translate_y, rotate, brightness, saturation, contrast, sharpness,
    posterize, solarize, autocontrast, equalize,
)  # fmt: skip


def torchvision_functional() -> ModuleType:
    """torchvision's operations on images as functions."""
    import_torchvision()
    return import_module("torchvision.transforms.v2.functional")


def _moved(strengths: Tensor, entries: dict[tuple[int, int], float]) -> Tensor:
    matrices = torch.eye(2, 3).repeat(len(strengths), 1, 1)
    for (row, column), largest in entries.items():
        matrices[:, row, column] += strengths * largest
    return matrices
