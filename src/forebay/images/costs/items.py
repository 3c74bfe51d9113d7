"""The items of an AVIF or HEIC: their kinds, places, sizes, and which are put together from which (23008-12)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from forebay.images.costs import av1
from forebay.images.errors import too_costly
from forebay.images.limits import MAX_ITEMS, MAX_SHARED

Extent = tuple[int, int]  # where it starts in the file, and its bytes


class Part(Protocol):
    """Where a box is."""

    @property
    def start(self) -> int: ...  # noqa: D102 - as of boxes.Box
    @property
    def end(self) -> int: ...  # noqa: D102


@dataclass
class Items:
    """What a file says of its items, by their numbers."""

    data: bytes
    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    extents: dict[int, list[Extent]] = field(default_factory=dict)
    areas: dict[int, int] = field(default_factory=dict)  # pixels, as they are told
    parts: dict[int, list[int]] = field(default_factory=dict)  # of what it is put together
    beside: list[int] = field(default_factory=list)  # those that belong to another one, such as its transparency
    _known: dict[int, int] = field(default_factory=dict)
    _read: int = 0  # bytes of coded images

    def bytes_of(self, item: int) -> int:
        """The length of an item."""
        return sum(size for _, size in self.extents.get(item, []))

    def pixels(self, item: int) -> int:
        """Pixels that are decoded for an item."""
        if item not in self._known:
            self._known[item] = 1 << 62  # of one that is a part of itself
            self._known[item] = sum(map(self.pixels, self.parts.get(item, []))) + self._own(item)
        return self._known[item]

    def _own(self, item: int) -> int:
        if self.kinds.get(item) != b"av01":
            return self.areas.get(item, 0)
        self._read += self.bytes_of(item)
        if self._read > MAX_SHARED * len(self.data):
            raise too_costly("an AVIF whose images are all made of the same bytes")
        coded = b"".join(self.data[start : start + size] for start, size in self.extents.get(item, []))
        return max(self.areas.get(item, 0), av1.largest(coded))


class _Reader:
    """Numbers, one after the other."""

    def __init__(self, data: bytes, part: Part) -> None:
        self._data, self.at, self._end = data, part.start, part.end
        self._count = 0
        self.version = self.take(1)
        self.flags = self.take(3)

    def take(self, size: int) -> int:
        if self.at + size > self._end:
            raise EOFError("a box is cut off")
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at], "big")

    def times(self, count: int) -> Iterator[int]:
        self._count += count
        if self._count > MAX_ITEMS:
            raise too_costly(f"an AVIF or HEIC of more than {MAX_ITEMS} items, which is as many as are read")
        yield from range(count)

    @property
    def more(self) -> bool:
        return self.at < self._end


def read(data: bytes, boxes: Mapping[bytes, Part]) -> Items:
    """Read the boxes that tell of items.

    Raises:
        EOFError: one is cut off.
        ImageError: there are too many.
    """
    found = Items(data)
    for kind, step in ((b"pitm", _primary), (b"iinf", _kinds), (b"iref", _references)):
        if kind in boxes:
            step(found, _Reader(data, boxes[kind]))
    if b"iloc" in boxes:
        _places(found, _Reader(data, boxes[b"iloc"]), boxes[b"idat"].start if b"idat" in boxes else 0)
    if b"ipco" in boxes and b"ipma" in boxes:
        _areas(found, _Reader(data, boxes[b"ipma"]), _told_areas(data, boxes[b"ipco"]))
    return found


def _primary(found: Items, reader: _Reader) -> None:
    found.primary = reader.take(2 if reader.version == 0 else 4)


def _kinds(found: Items, reader: _Reader) -> None:
    for _ in reader.times(reader.take(2 if reader.version == 0 else 4)):
        start = reader.at
        end = start + reader.take(4)
        reader.take(4)
        version = reader.take(1)
        reader.take(3)
        if version >= 2:
            number = reader.take(2 if version == 2 else 4)
            reader.take(2)
            found.kinds[number] = reader.take(4).to_bytes(4, "big")
        reader.at = max(end, reader.at)


def _references(found: Items, reader: _Reader) -> None:
    size = 2 if reader.version == 0 else 4
    while reader.more:
        reader.take(4)
        kind, item = reader.take(4).to_bytes(4, "big"), reader.take(size)
        others = [reader.take(size) for _ in reader.times(reader.take(2))]
        if kind == b"dimg":
            found.parts.setdefault(item, []).extend(others)
        elif kind == b"auxl":
            found.beside.append(item)


def _places(found: Items, reader: _Reader, inside: int) -> None:
    widths = reader.take(2)
    offset_size, length_size, base_size, index_size = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in reader.times(reader.take(2 if reader.version < 2 else 4)):
        item = reader.take(2 if reader.version < 2 else 4)
        method = reader.take(2) & 15 if reader.version in (1, 2) else 0
        reader.take(2)
        base = reader.take(base_size) + (inside if method == 1 else 0)
        for _ in reader.times(reader.take(2)):
            reader.take(index_size if reader.version in (1, 2) else 0)
            start, size = base + reader.take(offset_size), reader.take(length_size)
            found.extents.setdefault(item, []).append((start, size or max(0, len(found.data) - start)))


def _told_areas(data: bytes, container: Part) -> list[int]:
    """Pixels by each property, 0 for those that tell none."""
    areas: list[int] = []
    at = container.start
    while at + 8 <= container.end and len(areas) < MAX_ITEMS:
        size = int.from_bytes(data[at : at + 4], "big")
        told = data[at + 4 : at + 8] == b"ispe"
        width, height = (int.from_bytes(data[at + shift : at + shift + 4], "big") for shift in (12, 16))
        areas.append(width * height if told else 0)
        at += max(8, size)
    return areas


def _areas(found: Items, reader: _Reader, told: list[int]) -> None:
    for _ in reader.times(reader.take(4)):
        item = reader.take(2 if reader.version == 0 else 4)
        for _ in reader.times(reader.take(1)):
            index = reader.take(2) & 0x7FFF if reader.flags & 1 else reader.take(1) & 0x7F
            if 0 < index <= len(told):
                found.areas[item] = max(found.areas.get(item, 0), told[index - 1])
