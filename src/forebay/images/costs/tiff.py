"""TIFF: its directory states the number of values, strips and tiles; a tile may be larger than the image."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from forebay.images.costs.jpeg import SOS
from forebay.images.errors import too_costly
from forebay.images.limits import (
    MAX_COVERED,
    MAX_SCANS,
    MAX_STRIPS,
    MAX_TAGS,
    MAX_VALUES,
    MAX_VISITS,
    MIN_TILE_PIXELS,
)

MAGICS = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, COMPRESSION, STRIPS, TILE_WIDTH, TILE_HEIGHT, TILES = 256, 257, 259, 273, 322, 323, 324
_LENGTHS = {STRIPS: 279, TILES: 325}  # the tags with the lengths of strips and tiles
_LONG_TAGS = {STRIPS, TILES, *_LENGTHS.values()}
_EXIF, _GPS, _INTEROP = 34665, 34853, 40965  # tags that lead to another directory
_OLD_JPEG, _JPEG = 6, 7  # values of COMPRESSION
_NUMBERS = {3: "H", 4: "L", 13: "L", 16: "Q"}
_BYTE_KINDS = (1, 2, 6, 7)  # Pillow leaves such values as bytes


class _Tag(NamedTuple):
    number: int
    kind: int
    values: int  # number of values
    value: bytes  # the values themselves where they fit, else their offset


class _Directory(NamedTuple):
    order: str
    large: bool  # BigTIFF
    tags: list[_Tag]

    def largest(self, number: int, missing: int = 0) -> int:
        """The largest value in the directory itself; where a tag stands twice, readers differ on which one counts."""
        found = [self.number(tag) for tag in self.tags if tag.number == number and tag.values == 1]
        return max(found, default=missing)

    def number(self, tag: _Tag) -> int:
        form = _NUMBERS.get(tag.kind)
        return 0 if form is None else int(struct.unpack_from(self.order + form, tag.value)[0])

    def list_of(self, number: int, data: bytes) -> tuple[int, ...]:
        """All values of a tag."""
        tag = next((tag for tag in self.tags if tag.number == number and tag.kind in _NUMBERS), None)
        if tag is None:
            return ()
        form = f"{self.order}{tag.values}{_NUMBERS[tag.kind]}"
        size = struct.calcsize(form)
        if size <= len(tag.value):
            return struct.unpack_from(form, tag.value)
        start = int.from_bytes(tag.value, "little" if self.order == "<" else "big")
        return struct.unpack_from(form, data, start) if start + size <= len(data) else ()


def check_bytes(data: bytes, max_pixels: int) -> None:
    """Refuse a first directory that goes beyond the limits; Pillow refuses what is damaged."""
    order = "<" if data[:2] == b"II" else ">"
    large = 43 in data[2:4]
    if len(data) < 16:
        return
    start = struct.unpack_from(order + "Q", data, 8)[0] if large else struct.unpack_from(order + "L", data, 4)[0]
    first = _read_directory(data, start, order, large)
    _check_values(first)
    for tag in first.tags:
        if tag.number in (_EXIF, _GPS, _INTEROP):
            _check_values(_read_directory(data, first.number(tag), order, large))
    if first.largest(WIDTH) * first.largest(HEIGHT) <= max_pixels:  # else `decode` refuses it as too large
        _check_tiles(first)
        _check_scans(first, data, max_pixels)


def _read_directory(data: bytes, start: int, order: str, large: bool) -> _Directory:
    head, entry = ("Q", "HHQ8s") if large else ("H", "HHL4s")
    head, entry = order + head, order + entry
    if start + struct.calcsize(head) > len(data):
        return _Directory(order, large, [])
    count = struct.unpack_from(head, data, start)[0]
    if count > MAX_TAGS:
        raise too_costly(f"a TIFF with a directory of {count} tags, at most {MAX_TAGS} are read")
    start, size = start + struct.calcsize(head), struct.calcsize(entry)
    whole = min(count, (len(data) - start) // size)
    return _Directory(order, large, list(_tags(data[start : start + whole * size], entry)))


def _tags(entries: bytes, entry: str) -> Iterator[_Tag]:
    return (_Tag(*found) for found in struct.iter_unpack(entry, entries))


def _check_values(directory: _Directory) -> None:
    for tag in directory.tags:
        most = MAX_STRIPS if tag.number in _LONG_TAGS else MAX_VALUES
        if tag.values > most and tag.kind not in _BYTE_KINDS:
            raise too_costly(f"a TIFF with {tag.values} values of tag {tag.number}, at most {most} are read")


def _check_tiles(directory: _Directory) -> None:
    """Tiles may reach over the edges of the image, and those parts are decoded, too; a limit bounds them."""
    width, height = directory.largest(WIDTH), directory.largest(HEIGHT)
    wide, high = directory.largest(TILE_WIDTH), directory.largest(TILE_HEIGHT)
    if not (wide and high):
        return
    covered = -(-width // wide) * wide * -(-height // high) * high
    most = max(MIN_TILE_PIXELS, MAX_COVERED * width * height)
    if covered > most:
        raise too_costly(
            f"a TIFF of {height}x{width} pixels in tiles of {high}x{wide}, which cover {covered} pixels; at most "
            f"{most} are decoded: save it without tiles"
        )


def _check_scans(directory: _Directory, data: bytes, max_pixels: int) -> None:
    """Each strip or tile that is JPEG counts as a file of its own."""
    kind = directory.largest(COMPRESSION, 1)
    if kind not in (_JPEG, _OLD_JPEG):
        return
    strips = STRIPS if directory.list_of(STRIPS, data) else TILES
    starts, lengths = directory.list_of(strips, data), directory.list_of(_LENGTHS[strips], data)
    if sum(lengths) > 2 * len(data):
        raise too_costly("a TIFF whose strips or tiles of JPEG share their bytes")
    scans = [data.count(SOS, start, start + length) for start, length in zip(starts, lengths, strict=False)]
    if kind == _OLD_JPEG:  # old-style JPEG keeps the head of the scan elsewhere
        scans = [data.count(SOS)]
    pixels = directory.largest(WIDTH) * directory.largest(HEIGHT)
    visits = 4 * pixels * sum(scans) / max(1, len(scans))
    if max(scans, default=0) > MAX_SCANS or visits > MAX_VISITS * max_pixels:
        raise too_costly(
            f"a TIFF of JPEGs with up to {max(scans)} scans, over more than {MAX_VISITS * max_pixels} samples in all"
        )
