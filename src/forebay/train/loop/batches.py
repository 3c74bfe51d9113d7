"""Training batches: rows gathered from the memory-mapped shards, augmented as a whole batch.

Order and augmentation follow from (seed, epoch, step) alone, so a resumed run sees exactly the batches it would have
seen.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forebay.contracts.shards import DatasetSplit
from forebay.train.loop.augmentation import BatchRandom, augment


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """An independent 63-bit seed for one purpose and moment."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class TrainingBatches:
    """The shuffled, augmented batches of the training split; the last incomplete one of an epoch is left out."""

    split: DatasetSplit
    batch_rows: int
    seed: int
    augment: str  # none, shift or shift_flip
    device: str

    def __len__(self) -> int:
        return len(self.split) // self.batch_rows

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch, shuffled."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self.split), generator=generator).numpy()

    def batch(self, rows: NDArray[np.int64], rank_slice: slice | None = None) -> tuple[Tensor, Tensor]:
        """Gather rows and augment them with torch's global random generator.

        Args:
            rows: row numbers of the whole batch.
            rank_slice: the part of them that this process takes; each row is augmented as if it took all of them.

        Returns:
            uint8 (N, C, H, W) in channels_last and int64 (N,), on the device.
        """
        rank_slice = rank_slice or slice(0, len(rows))
        own_rows = rows[rank_slice]
        images_NHWC = torch.from_numpy(gather_rows(self.split, own_rows)).to(self.device, non_blocking=True)
        labels = torch.from_numpy(self.split.labels[own_rows]).to(self.device, non_blocking=True)
        augmented = augment(images_NHWC, self.augment, BatchRandom(len(rows), rank_slice))
        return augmented.permute(0, 3, 1, 2), labels


def gather_rows(split: DatasetSplit, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
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
