"""The items of an AVIF or HEIC: their kinds, places and sizes, and which are composed of which (ISO/IEC 23008-12)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from forebay.images.costs import av1
from forebay.images.costs.iso_boxes import BoxReader, IsoBox
from forebay.images.errors import too_costly
from forebay.images.limits import MAX_ITEMS, MAX_SHARED

ItemExtent = tuple[int, int]  # offset in the file, number of bytes


@dataclass
class HeifItems:
    """What a file states of its items, by their numbers."""

    data: bytes
    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    extents: dict[int, list[ItemExtent]] = field(default_factory=dict)
    stated_pixels: dict[int, int] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)  # the items that an item is composed of
    auxiliary: list[int] = field(default_factory=list)  # those that belong to another one, such as its transparency
    _pixels: dict[int, int] = field(default_factory=dict)
    _bytes_read: int = 0  # bytes of coded images

    def size_of(self, item: int) -> int:
        """The bytes of an item."""
        return sum(size for _, size in self.extents.get(item, []))

    def decoded_pixels(self, item: int) -> int:
        """The pixels that are decoded for an item.

        Raises:
            UnusableImageError: coded images share their bytes.
        """
        if item not in self._pixels:
            self._pixels[item] = 1 << 62  # counts where an item is a part of itself
            self._pixels[item] = sum(map(self.decoded_pixels, self.parts.get(item, []))) + self._own_pixels(item)
        return self._pixels[item]

    def _own_pixels(self, item: int) -> int:
        if self.kinds.get(item) != b"av01":
            return self.stated_pixels.get(item, 0)
        self._bytes_read += self.size_of(item)
        if self._bytes_read > MAX_SHARED * len(self.data):
            raise too_costly("an AVIF whose images are all made of the same bytes")
        coded = b"".join(self.data[start : start + size] for start, size in self.extents.get(item, []))
        return max(self.stated_pixels.get(item, 0), av1.largest_frame(coded))


def read_items(data: bytes, boxes: Mapping[bytes, IsoBox]) -> HeifItems:
    """Read the boxes that describe items.

    Raises:
        EOFError: a box is cut off.
        UnusableImageError: there are too many items.
    """
    items = HeifItems(data)
    for kind, read_box in ((b"pitm", _read_primary), (b"iinf", _read_kinds), (b"iref", _read_references)):
        if kind in boxes:
            read_box(items, BoxReader(data, boxes[kind]))
    if b"iloc" in boxes:
        _read_extents(items, BoxReader(data, boxes[b"iloc"]), boxes[b"idat"].start if b"idat" in boxes else 0)
    if b"ipco" in boxes and b"ipma" in boxes:
        _read_stated_pixels(items, BoxReader(data, boxes[b"ipma"]), _property_pixels(data, boxes[b"ipco"]))
    return items


def _read_primary(items: HeifItems, reader: BoxReader) -> None:
    items.primary = reader.take(2 if reader.version == 0 else 4)


def _read_kinds(items: HeifItems, reader: BoxReader) -> None:
    for _ in reader.repeat(reader.take(2 if reader.version == 0 else 4)):
        start = reader.at
        end = start + reader.take(4)
        reader.take(4)
        version = reader.take(1)
        reader.take(3)
        if version >= 2:
            number = reader.take(2 if version == 2 else 4)
            reader.take(2)
            items.kinds[number] = reader.take(4).to_bytes(4, "big")
        reader.at = max(end, reader.at)


def _read_references(items: HeifItems, reader: BoxReader) -> None:
    size = 2 if reader.version == 0 else 4
    while reader.has_more:
        reader.take(4)
        kind, item = reader.take(4).to_bytes(4, "big"), reader.take(size)
        others = [reader.take(size) for _ in reader.repeat(reader.take(2))]
        if kind == b"dimg":
            items.parts.setdefault(item, []).extend(others)
        elif kind == b"auxl":
            items.auxiliary.append(item)


def _read_extents(items: HeifItems, reader: BoxReader, idat_start: int) -> None:
    widths = reader.take(2)
    offset_size, length_size, base_size, index_size = (widths >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in reader.repeat(reader.take(2 if reader.version < 2 else 4)):
        item = reader.take(2 if reader.version < 2 else 4)
        method = reader.take(2) & 15 if reader.version in (1, 2) else 0
        reader.take(2)
        base = reader.take(base_size) + (idat_start if method == 1 else 0)
        for _ in reader.repeat(reader.take(2)):
            reader.take(index_size if reader.version in (1, 2) else 0)
            start, size = base + reader.take(offset_size), reader.take(length_size)
            items.extents.setdefault(item, []).append((start, size or max(0, len(items.data) - start)))


def _property_pixels(data: bytes, container: IsoBox) -> list[int]:
    """The pixels that each property states, 0 for properties of another kind."""
    pixels: list[int] = []
    at = container.start
    while at + 8 <= container.end and len(pixels) < MAX_ITEMS:
        size = int.from_bytes(data[at : at + 4], "big")
        states_size = data[at + 4 : at + 8] == b"ispe"
        width, height = (int.from_bytes(data[at + shift : at + shift + 4], "big") for shift in (12, 16))
        pixels.append(width * height if states_size else 0)
        at += max(8, size)
    return pixels


def _read_stated_pixels(items: HeifItems, reader: BoxReader, property_pixels: list[int]) -> None:
    for _ in reader.repeat(reader.take(4)):
        item = reader.take(2 if reader.version == 0 else 4)
        for _ in reader.repeat(reader.take(1)):
            index = reader.take(2) & 0x7FFF if reader.flags & 1 else reader.take(1) & 0x7F
            if 0 < index <= len(property_pixels):
                items.stated_pixels[item] = max(items.stated_pixels.get(item, 0), property_pixels[index - 1])
