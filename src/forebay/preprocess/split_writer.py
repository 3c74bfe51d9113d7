"""Write the shards: pre-allocated `.npy` files, filled in the order in which the table yields its rows."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from forebay.contracts.shards import labels_name, sha256_name, shard_name
from forebay.preprocess.split import RowKeys
from forebay.state.machine_errors import add_file_name


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
