"""Random shifts and flips of a whole batch of images."""

import torch
from torch import Tensor

from forebay.train.augmentation.batch_random import BatchRandom

SHIFT_DIVISOR = 8  # images move by up to 1/8 of their side: 3 pixels of 28, 4 of 32, 28 of 224


def shift(images_NHWC: Tensor, mode: str, random: BatchRandom) -> Tensor:
    """Shift each image by its own offset, with mirrored borders, and flip half of them.

    Args:
        images_NHWC: uint8; not modified.
        mode: none, shift or shift_flip.
        random: numbers for these rows.
    """
    if mode == "none":
        return images_NHWC
    rows, height, width, _ = images_NHWC.shape
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
