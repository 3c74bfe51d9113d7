"""Training batches: rows gathered from the memory-mapped shards and changed at random as a whole batch.

Order and changes follow from (seed, epoch, step) alone, so a resumed run sees exactly the batches it would have seen.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forebay.contracts.shards import DatasetSplit

SHIFT = 8  # images move by up to 1/8 of their side: 3 pixels of 28, 4 of 32, 28 of 224


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """An independent 63-bit seed for one purpose and moment."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class Batches:
    """The shuffled, augmented batches of the training split; the last incomplete one of an epoch is left out."""

    split: DatasetSplit
    batch_rows: int
    seed: int
    augment: str  # none, shift or shift_flip
    device: str

    def __len__(self) -> int:
        return len(self.split) // self.batch_rows

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Row numbers of an epoch, shuffled."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self.split), generator=generator).numpy()

    def batch(self, rows: NDArray[np.int64], share: slice | None = None) -> tuple[Tensor, Tensor]:
        """Take rows and change them with torch's global random generator.

        Args:
            rows: of the whole batch.
            share: those of them that this process takes; each row is changed as it would be without the others gone.

        Returns:
            uint8 (N, C, H, W) in channels_last and int64 (N,), on the device.
        """
        share = share or slice(0, len(rows))
        taken = rows[share]
        images_NHWC = torch.from_numpy(gather(self.split, taken)).to(self.device, non_blocking=True)
        labels = torch.from_numpy(self.split.labels[taken]).to(self.device, non_blocking=True)
        changed = augment(images_NHWC, self.augment, Drawn(len(rows), share))
        return changed.permute(0, 3, 1, 2), labels


def gather(split: DatasetSplit, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Copy rows (N,) out of the shards: uint8 (N, H, W, C) in the given order."""
    if len(split.shards) == 1:
        return split.shards[0][rows]
    images = np.empty((len(rows), *split.shards[0].shape[1:]), np.uint8)
    first = 0
    for shard in split.shards:
        here = (rows >= first) & (rows < first + len(shard))
        images[here] = shard[rows[here] - first]
        first += len(shard)
    return images


@dataclass(frozen=True)
class Drawn:
    """How many random numbers are drawn, and which of them count: the same, whichever process takes the row."""

    rows: int
    share: slice

    def below(self, limit: int, device: torch.device) -> Tensor:
        """Whole numbers from 0 to the limit, itself left out."""
        return torch.randint(limit, (self.rows,), device=device)[self.share]

    def uniform(self, device: torch.device) -> Tensor:
        """Numbers between 0 and 1."""
        return torch.rand(self.rows, device=device)[self.share]


def augment(images_NHWC: Tensor, how: str, drawn: Drawn | None = None) -> Tensor:
    """Shift each image by its own offset, with mirrored borders, and flip half of them where `how` says so."""
    if how == "none":
        return images_NHWC
    rows, height, width, _ = images_NHWC.shape
    drawn = drawn or Drawn(rows, slice(0, rows))
    device = images_NHWC.device
    pad_y, pad_x = max(1, height // SHIFT), max(1, width // SHIFT)
    padded = images_NHWC.index_select(1, _mirrored(height, pad_y, device)).index_select(
        2, _mirrored(width, pad_x, device)
    )
    top = drawn.below(2 * pad_y + 1, device)
    left = drawn.below(2 * pad_x + 1, device)
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # N, offsets y, offsets x, C, H, W
    shifted = windows[torch.arange(rows, device=device), top, left].permute(0, 2, 3, 1)
    if how == "shift_flip":
        mirrored = drawn.uniform(device) < 0.5
        shifted = torch.where(mirrored.view(-1, 1, 1, 1), shifted.flip(2), shifted)
    return shifted.contiguous()


def _mirrored(side: int, pad: int, device: torch.device) -> Tensor:
    """Source index of each pixel of a side padded by reflection; a side too short for it repeats its border."""
    index = torch.arange(-pad, side + pad, device=device).abs()
    return torch.where(index < side, index, 2 * (side - 1) - index).clamp(0, side - 1)
