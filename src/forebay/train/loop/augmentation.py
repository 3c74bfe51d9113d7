"""Random shifts and flips of a whole batch of images."""

from dataclasses import dataclass

import torch
from torch import Tensor

SHIFT_DIVISOR = 8  # images move by up to 1/8 of their side: 3 pixels of 28, 4 of 32, 28 of 224


@dataclass(frozen=True)
class BatchRandom:
    """Random numbers for one process's rows of a batch.

    They are drawn for the whole batch and then sliced, so each row gets the same numbers whichever process takes it.
    """

    batch_rows: int
    rank_slice: slice

    def integers(self, limit: int, device: torch.device) -> Tensor:
        """Whole numbers from 0 to below the limit."""
        return torch.randint(limit, (self.batch_rows,), device=device)[self.rank_slice]

    def uniform(self, device: torch.device) -> Tensor:
        """Numbers from 0 to below 1."""
        return torch.rand(self.batch_rows, device=device)[self.rank_slice]


def augment(images_NHWC: Tensor, mode: str, random: BatchRandom | None = None) -> Tensor:
    """Shift each image by its own offset, with mirrored borders, and flip half of them.

    Args:
        images_NHWC: uint8; not modified.
        mode: none, shift or shift_flip.
        random: where the images are one process's rows of a larger batch.
    """
    if mode == "none":
        return images_NHWC
    rows, height, width, _ = images_NHWC.shape
    random = random or BatchRandom(rows, slice(0, rows))
    device = images_NHWC.device
    pad_y, pad_x = max(1, height // SHIFT_DIVISOR), max(1, width // SHIFT_DIVISOR)
    padded = images_NHWC.index_select(1, _reflected(height, pad_y, device)).index_select(
        2, _reflected(width, pad_x, device)
    )
    top = random.integers(2 * pad_y + 1, device)
    left = random.integers(2 * pad_x + 1, device)
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # N, offsets y, offsets x, C, H, W
    shifted = windows[torch.arange(rows, device=device), top, left].permute(0, 2, 3, 1)
    if mode == "shift_flip":
        is_flipped = random.uniform(device) < 0.5
        shifted = torch.where(is_flipped.view(-1, 1, 1, 1), shifted.flip(2), shifted)
    return shifted.contiguous()


def _reflected(side: int, pad: int, device: torch.device) -> Tensor:
    """The source index of each pixel of a side padded by reflection; a side too short for it repeats its border."""
    index = torch.arange(-pad, side + pad, device=device).abs()
    return torch.where(index < side, index, 2 * (side - 1) - index).clamp(0, side - 1)
