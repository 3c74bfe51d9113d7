"""AVIF and HEIC: an image of few pixels may be put together from many large ones, or be cut from one.

A file in boxes (ISO/IEC 14496-12) names items, each with a kind, a place and a size (23008-12). Those of AV1 say their
true size in the coded data only (AV1 specification, 5.5); libheif looks at that of HEVC by itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

from forebay.images.costs import av1, items
from forebay.images.errors import too_costly
from forebay.images.limits import MAX_COVERED, MAX_EXIF_BYTES, MAX_ITEMS, MAX_TRACKS, MIN_TILE_PIXELS

_NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


class Box(NamedTuple):
    """A box of a file."""

    kind: bytes
    start: int  # of what it holds
    end: int


def check_bytes(data: bytes) -> None:
    """Refuse a large EXIF block, which is taken apart as the file is opened."""
    for found in _all_items(data):
        for item, kind in found.kinds.items():
            size = found.bytes_of(item)
            if kind == b"Exif" and size > MAX_EXIF_BYTES:
                raise too_costly(f"an EXIF block of {size} bytes, at most {MAX_EXIF_BYTES} are read")


def check_pixels(data: bytes, own: int) -> None:
    """Refuse an image of `own` pixels that is put together from many more, beyond what tiles at its edges need."""
    most = max(MIN_TILE_PIXELS, MAX_COVERED * own)
    pixels = sum(found.pixels(item) for found in _all_items(data) for item in {found.primary, *found.beside})
    for tracks, start in enumerate(_first_frames(data, 0, len(data)), 1):
        if tracks > MAX_TRACKS:
            raise too_costly(f"an AVIF of more than {MAX_TRACKS} tracks, which is as many as are read")
        pixels += av1.largest(data, start)
    if pixels > most:
        raise too_costly(f"an AVIF or HEIC that is put together from {pixels} pixels, at most {most} are decoded")


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes of a part of a file, one after the other; a damaged one is the last."""
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
        yield Box(data[start + 4 : start + 8], start + head, min(end, start + size))
        start += size


def _all_items(data: bytes) -> Iterator[items.Items]:
    for box in boxes(data, 0, len(data)):
        if box.kind == b"meta":
            yield items.read(data, {inner.kind: inner for inner in _with_properties(data, box)})


def _with_properties(data: bytes, meta: Box) -> Iterator[Box]:
    for box in boxes(data, meta.start + 4, meta.end):
        yield box
        if box.kind == b"iprp":
            yield from boxes(data, box.start, box.end)


def _first_frames(data: bytes, start: int, end: int) -> Iterator[int]:
    """Where the first frame of each track is."""
    for box in boxes(data, start, end):
        if box.kind in _NESTED:
            yield from _first_frames(data, box.start, box.end)
        elif box.kind in (b"stco", b"co64"):
            size = 4 if box.kind == b"stco" else 8
            yield int.from_bytes(data[box.start + 8 : box.start + 8 + size], "big")
