"""Training batches: rows gathered from the memory-mapped shards, augmented and mixed as a whole batch.

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
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.augmentation.batch_random import BatchRandom
from forebay.train.augmentation.mixing import draw_mix
from forebay.train.loop.targets import Targets


def derive_seed(seed: int, purpose: str, index: int = 0) -> int:
    """An independent 63-bit seed for one purpose and moment."""
    digest = hashlib.sha256(f"{seed}:{purpose}:{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class TrainingBatch:
    """What a process takes of a batch."""

    images: Tensor  # uint8 (N, C, H, W) in channels_last, on the device
    targets: Targets  # of these images
    whole: Targets  # of all rows of the batch, on the CPU


@dataclass(frozen=True)
class TrainingBatches:
    """The shuffled, augmented batches of the training split; the last incomplete one of an epoch is left out."""

    split: DatasetSplit
    batch_rows: int
    seed: int
    augmentation: Augmentation
    device: str

    def __len__(self) -> int:
        return len(self.split) // self.batch_rows

    def order(self, epoch: int) -> NDArray[np.int64]:
        """The row numbers of an epoch, shuffled."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        return torch.randperm(len(self.split), generator=generator).numpy()

    def batch(self, rows: NDArray[np.int64], rank_slice: slice | None = None) -> TrainingBatch:
        """Gather rows and augment them with torch's global random generator.

        Args:
            rows: row numbers of the whole batch.
            rank_slice: the part of them that this process takes; each row is augmented as if it took all of them.
        """
        rank_slice = rank_slice or slice(0, len(rows))
        if self.augmentation.mixes:
            return self._mixed(rows, rank_slice)
        images = self._augmented(rows, rank_slice)
        targets = Targets(self._labels(rows[rank_slice]))
        return TrainingBatch(images, targets, Targets(torch.from_numpy(self.split.labels[rows])))

    def _mixed(self, rows: NDArray[np.int64], rank_slice: slice) -> TrainingBatch:
        """Each row with a part of the row before it, for which one more row than those of the process is needed."""
        needed = (torch.arange(rank_slice.start - 1, rank_slice.stop)) % len(rows)
        images = self._augmented(rows, needed)
        mix = draw_mix(self.augmentation.mixup, self.augmentation.cutmix, len(rows), *images.shape[2:])
        labels = torch.from_numpy(self.split.labels[rows])
        whole = Targets(labels, labels.roll(1), mix.shares)
        mixed = mix.mix(images[1:], images[:-1], rank_slice)
        return TrainingBatch(mixed, whole.part(rank_slice, self.device), whole)

    def _augmented(self, rows: NDArray[np.int64], taken: slice | Tensor) -> Tensor:
        own_rows = rows[taken if isinstance(taken, slice) else taken.numpy()]
        images_NHWC = torch.from_numpy(gather_rows(self.split, own_rows)).to(self.device, non_blocking=True)
        return self.augmentation.change(images_NHWC, BatchRandom(len(rows), taken))

    def _labels(self, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self.split.labels[rows]).to(self.device, non_blocking=True)


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
