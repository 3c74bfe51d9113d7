"""The boxes that a file of the ISO base media format consists of (ISO/IEC 14496-12): AVIF, HEIC, MP4."""

from collections.abc import Iterator
from typing import NamedTuple

from forebay.images.errors import too_costly
from forebay.images.limits import MAX_ITEMS


class IsoBox(NamedTuple):
    """One box: its kind, and where its content lies in the file."""

    kind: bytes
    start: int
    end: int


def iterate_boxes(data: bytes, start: int, end: int) -> Iterator[IsoBox]:
    """The boxes between two offsets, one after the other; a damaged one is the last.

    Raises:
        UnusableImageError: there are too many.
    """
    count = 0
    while start + 8 <= end:
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        if size == 0:
            size = end - start
        count += 1
        if count > MAX_ITEMS:
            raise too_costly(f"an AVIF or HEIC of more than {MAX_ITEMS} boxes in one, which is as many as are read")
        if size < head:
            return
        yield IsoBox(data[start + 4 : start + 8], start + head, min(end, start + size))
        start += size


class BoxReader:
    """Reads the numbers of a full box, which begins with a version and flags."""

    def __init__(self, data: bytes, box: IsoBox) -> None:
        self._data, self.at, self._end = data, box.start, box.end
        self._count = 0
        self.version = self.take(1)
        self.flags = self.take(3)

    def take(self, size: int) -> int:
        """The next number, of `size` bytes.

        Raises:
            EOFError: the box ends before.
        """
        if self.at + size > self._end:
            raise EOFError("a box is cut off")
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at], "big")

    def repeat(self, count: int) -> Iterator[int]:
        """Count to `count`.

        Raises:
            UnusableImageError: all counts of this box come to too many entries.
        """
        self._count += count
        if self._count > MAX_ITEMS:
            raise too_costly(f"an AVIF or HEIC of more than {MAX_ITEMS} items, which is as many as are read")
        yield from range(count)

    @property
    def has_more(self) -> bool:
        """Whether the box goes on."""
        return self.at < self._end
