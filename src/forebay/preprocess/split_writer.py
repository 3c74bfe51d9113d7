"""Write the shards: pre-allocated `.npy` files, filled in the order in which the table yields its rows."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from forebay.contracts.shards import labels_name, sha256_name, shard_name, sources_name, write_sources
from forebay.preprocess.split import RowKeys
from forebay.state.machine_errors import add_file_name

MAX_SOURCE = 4096  # characters of a source's name that are kept: as many as a path of Linux may have


class SplitWriter:
    """The files of one split; a row's number in the table tells its place in them."""

    def __init__(
        self,
        folder: Path,
        name: str,
        rows: NDArray[np.int64],
        keys: RowKeys,
        shape: tuple[int, int, int],
        shard_rows: int,
    ) -> None:
        """Allocate the shards and write labels and digests.

        Args:
            name: train, validation or test.
            rows: int64; the row numbers in the table of this split's rows, in the order in which to write them.
            shape: height, width, channels.
        """
        self.names: list[str] = []
        self._shards: list[NDArray[np.uint8]] = []
        for index, start in enumerate(range(0, len(rows), shard_rows)):
            self.names.append(shard_name(name, index))
            size = min(shard_rows, len(rows) - start)
            self._shards.append(_allocated(folder / self.names[-1], (size, *shape)))
        self._shard_rows = shard_rows
        self._folder, self._name = folder, name
        self._sources: list[pa.Array] = []  # in the order of the table
        self._place = np.full(len(keys.labels), -1, np.int64)
        self._place[rows] = np.arange(len(rows))
        for path, values in (
            (folder / labels_name(name), keys.labels[rows]),
            (folder / sha256_name(name), keys.sha256[rows]),
        ):
            with add_file_name(path):
                np.save(path, values, allow_pickle=False)

    def put(self, first: int, images_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Write those images of a batch that belong to this split.

        Args:
            first: row number in the table of the batch's first image.
            images_NHWC: the batch.

        Returns:
            The images that were written, a copy.
        """
        place = self._place[first : first + len(images_NHWC)]
        mine = images_NHWC[place >= 0]
        for shard, inside, index in self._targets(place[place >= 0]):
            shard[index] = mine[inside]
        return mine

    def put_sources(self, first: int, sources: pa.Array) -> None:
        """Keep those sources of a batch that belong to this split; `first` as in `put`."""
        mine = self._place[first : first + len(sources)] >= 0
        names = pc.utf8_slice_codeunits(sources.filter(pa.array(mine)), 0, MAX_SOURCE)
        self._sources.append(names.cast(pa.large_string()))  # all together may take more than 2 GiB

    def save_sources(self) -> str:
        """Write the sources that were put, in the order of the split's rows; returns the name of the file."""
        place = self._place[self._place >= 0]  # in the order of the table
        names = pa.concat_arrays(self._sources).take(pa.array(np.argsort(place)))
        write_sources(self._folder / sources_name(self._name), names)
        return sources_name(self._name)

    def _targets(
        self, place: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]]:
        for number in np.unique(place // self._shard_rows):
            inside = place // self._shard_rows == number
            yield self._shards[number], inside, place[inside] % self._shard_rows


def _allocated(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Map a new file for images and allocate its space: on a full disk, a write into the map would kill the process.

    Raises:
        OSError: there is no such space; it names the file.
    """
    with add_file_name(path):
        images = open_memmap(path, "w+", np.uint8, shape)
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images
