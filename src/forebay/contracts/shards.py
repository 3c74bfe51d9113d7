"""Shards that can be memory-mapped: uint8 images that training reads without decoding.

A split named `test` lies in `test-00000.npy`, … (uint8, N x H x W x C, rows in the order of their sha256),
`test-labels.npy` (int64, N) and `test-sha256.npy` (uint8, N x 32). Pickles in `.npy` are refused, and so is any file
that is not as preprocess sealed it: labels that were changed later would be learned and measured as if true.

`test-sources.parquet` (one column `source`, N) names where each image came from, for people. Of the three splits only
this one has names: nothing that trains asks for them. Shards of earlier versions have none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.manifest import MANIFEST, SplitManifest
from forebay.state.files import write_bytes
from forebay.state.sealed import check_content

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "validation", "test")
SOURCE = "source"  # the column of names, as in ingest's rows


@dataclass(frozen=True)
class DatasetSplit:
    """One split, opened read-only. Its images are loaded when rows are taken."""

    shards: list[NDArray[np.uint8]]  # each N x H x W x C
    labels: NDArray[np.int64]
    sha256: NDArray[np.uint8]  # N x 32
    read_sources: Callable[[], list[str]] | None = None  # None where the shards hold no names

    @cached_property
    def sources(self) -> list[str] | None:
        """Where each of the N images came from, read when first asked for; None where that was not recorded."""
        return self.read_sources() if self.read_sources else None

    def __len__(self) -> int:
        return len(self.labels)

    def images_NHWC(self, start: int = 0, stop: int | None = None) -> NDArray[np.uint8]:
        """A copy of the rows from `start` to `stop`."""
        stop = len(self) if stop is None else min(stop, len(self))
        parts, shard_start = [], 0
        for shard in self.shards:
            low, high = max(start - shard_start, 0), min(stop - shard_start, len(shard))
            if low < high:
                parts.append(shard[low:high])
            shard_start += len(shard)
        if not parts:
            return (
                np.empty((0, *self.shards[0].shape[1:]), np.uint8) if self.shards else np.empty((0, 0, 0, 0), np.uint8)
            )
        return np.concatenate(parts)

    def select(self, keep: NDArray[np.bool_]) -> "DatasetSplit":
        """The rows where `keep` is true, as slices of the shards, not loaded. Cheap where they lie in few runs."""
        edges = np.cumsum([0, *map(len, self.shards)])
        breaks = np.flatnonzero(np.diff(keep)) + 1
        bounds = np.unique(np.concatenate([edges, breaks]))
        shards = []
        for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            if keep[start]:
                index = int(np.searchsorted(edges, start, side="right")) - 1
                shards.append(self.shards[index][start - edges[index] : stop - edges[index]])
        return DatasetSplit(shards, self.labels[keep], self.sha256[keep], self._kept_sources(keep))

    def _kept_sources(self, keep: NDArray[np.bool_]) -> Callable[[], list[str]] | None:
        read = self.read_sources
        return (lambda: [name for name, kept in zip(read(), keep.tolist(), strict=True) if kept]) if read else None


def shard_name(split: str, index: int) -> str:
    """File name of a shard."""
    return f"{split}-{index:05d}.npy"


def labels_name(split: str) -> str:
    """File name of a split's labels."""
    return f"{split}-labels.npy"


def sha256_name(split: str) -> str:
    """File name of a split's image digests."""
    return f"{split}-sha256.npy"


def sources_name(split: str) -> str:
    """File name of the names of a split's images."""
    return f"{split}-sources.parquet"


def split_files(manifest: SplitManifest, split: str) -> list[str]:
    """Names of the files that hold a split."""
    sources = [manifest.sources[split]] if split in manifest.sources else []
    return [*manifest.shards[split], labels_name(split), sha256_name(split), *sources]


def write_sources(path: Path, names: "pa.Array") -> None:
    """Write the names of a split's images, in the order of its rows; a third of their length or less on the disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table({SOURCE: names}), buffer, compression="zstd", use_dictionary=False)
    write_bytes(path, buffer.getvalue().to_pybytes())


def open_split(folder: Path, manifest: SplitManifest, split: str) -> DatasetSplit:
    """Open one split of a preprocess artifact; its files are read once to check them.

    Raises:
        DamagedArtifactError: a file of the split, or the manifest, is not what preprocess wrote.
    """
    check_content(folder, manifest.maker, [MANIFEST, *split_files(manifest, split)])

    def load(name: str, mapped: bool) -> NDArray[np.generic]:
        return np.load(folder / name, mmap_mode="r" if mapped else None, allow_pickle=False)  # type: ignore[no-any-return]

    return DatasetSplit(
        shards=[load(name, True) for name in manifest.shards[split]],  # type: ignore[misc]
        labels=load(labels_name(split), False),  # type: ignore[arg-type]
        sha256=load(sha256_name(split), False),  # type: ignore[arg-type]
        read_sources=_source_reader(folder / manifest.sources[split]) if split in manifest.sources else None,
    )


def _source_reader(path: Path) -> Callable[[], list[str]]:
    def read() -> list[str]:
        import pyarrow.parquet as pq

        return pq.read_table(path)[SOURCE].to_pylist()  # type: ignore[no-any-return]

    return read
