"""Mixup and CutMix: each image takes a part of the row before it in the shuffled batch.

As in torchvision the batch is rolled by one row. So a process that takes a slice of the batch needs one row more, and
every row is mixed alike however many processes share the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.chunks import by_chunks
from forebay.train.augmentation.erasing import rectangles


@dataclass(frozen=True)
class Mix:
    """How the rows of a batch are mixed."""

    blend: Tensor  # float (N,): share of the row's own pixels where nothing is pasted; 1 for CutMix
    pasted: Tensor  # bool (N, H, W): pixels of the row before; nowhere for Mixup

    @property
    def shares(self) -> Tensor:
        """Float (N,): how much of each image, and so of its label, is the row's own."""
        return torch.where(self.blend < 1, self.blend, 1 - self.pasted.float().mean((1, 2)))

    def mix(self, images_NCHW: Tensor, before_NCHW: Tensor, rows: slice) -> Tensor:
        """Mix these rows of the batch with the rows before them; all uint8, nothing is modified."""
        return by_chunks(_mix, images_NCHW, before_NCHW, self.blend[rows], self.pasted[rows])


def _mix(images_NCHW: Tensor, before_NCHW: Tensor, blend: Tensor, pasted_NHW: Tensor) -> Tensor:
    blend, pasted = blend.to(images_NCHW.device).view(-1, 1, 1, 1), pasted_NHW.to(images_NCHW.device).unsqueeze(1)
    blended = (blend * images_NCHW + (1 - blend) * before_NCHW).round_().to(torch.uint8)
    return torch.where(pasted, before_NCHW, blended)


def draw_mix(mixup: float, cutmix: float, rows: int, height: int, width: int) -> Mix:
    """Draw how a whole batch is mixed; with both, each row takes one of the two.

    Args:
        mixup: alpha of Zhang et al., "mixup: Beyond empirical risk minimization" (2017); 0 for none.
        cutmix: alpha of Yun et al., "CutMix" (2019); 0 for none.
        rows, height, width: of the batch.
    """
    random = BatchRandom(rows, slice(None))
    is_cut = random.uniform() < 0.5 if mixup and cutmix else torch.full((rows,), cutmix > 0)
    blend = torch.ones(rows)
    pasted = torch.zeros(rows, height, width, dtype=torch.bool)
    if mixup:
        blend = torch.where(is_cut, blend, random.beta(mixup))
    if cutmix:
        side = (1 - random.beta(cutmix)).sqrt()
        boxes = rectangles(torch.stack([side, side], 1), random.uniform(), random.uniform(), height, width)
        pasted = boxes & is_cut.view(-1, 1, 1)
    return Mix(blend, pasted)
