"""All that is done to the images of a batch before the network sees them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.color import jitter
from forebay.train.augmentation.erasing import erase
from forebay.train.augmentation.shift import shift
from forebay.train.augmentation.warp import crop_and_rotate

NONE = "none"
TRIVIALAUGMENT = "trivialaugment"


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The random changes of training images; units as in the settings of the same names."""

    augment: str = NONE  # none, shift or shift_flip
    crop_scale: float = 1.0
    rotation: float = 0.0
    color_jitter: float = 0.0
    auto_augment: str = NONE  # none, trivialaugment or randaugment
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def mixes(self) -> bool:
        """Whether images get a part of another one."""
        return self.mixup > 0 or self.cutmix > 0

    def change(self, images_NHWC: Tensor, random: BatchRandom) -> Tensor:
        """Change each image on its own, in the order of the fields.

        Args:
            images_NHWC: uint8; not modified.
            random: numbers for these rows.

        Returns:
            uint8 (N, C, H, W) in channels_last.
        """
        images = shift(images_NHWC, self.augment, random).permute(0, 3, 1, 2)
        if self.crop_scale < 1 or self.rotation:
            images = crop_and_rotate(images, self.crop_scale, self.rotation, random)
        if self.color_jitter:
            images = jitter(images, self.color_jitter, random)
        if self.auto_augment != NONE:
            images = _auto_augment(images, self.auto_augment, random)
        if self.erasing:
            images = erase(images, self.erasing, random)
        return images.contiguous(memory_format=torch.channels_last)


def _auto_augment(images_NCHW: Tensor, kind: str, random: BatchRandom) -> Tensor:
    from forebay.train.augmentation import auto_augment  # it imports torchvision

    if kind == TRIVIALAUGMENT:
        return auto_augment.trivial_augment(images_NCHW, random)
    return auto_augment.rand_augment(images_NCHW, random)
