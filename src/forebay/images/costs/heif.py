"""AVIF and HEIC: an image of few pixels may be composed of many large ones, or cut out of one.

Such a file names items, each with a kind, a place and a size (ISO/IEC 23008-12). Items of AV1 state their true size in
the coded data only (AV1 specification, 5.5); libheif checks that of HEVC by itself.
"""

from collections.abc import Iterator

from forebay.images.costs import av1
from forebay.images.costs.heif_items import HeifItems, read_items
from forebay.images.costs.iso_boxes import IsoBox, iterate_boxes
from forebay.images.errors import too_costly
from forebay.images.limits import MAX_COVERED, MAX_EXIF_BYTES, MAX_TRACKS, MIN_TILE_PIXELS

_NESTED = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def check_bytes(data: bytes) -> None:
    """Refuse a large EXIF block, which is parsed as the file is opened."""
    for items in _all_items(data):
        for item, kind in items.kinds.items():
            size = items.size_of(item)
            if kind == b"Exif" and size > MAX_EXIF_BYTES:
                raise too_costly(f"an EXIF block of {size} bytes, at most {MAX_EXIF_BYTES} are read")


def check_pixels(data: bytes, own_pixels: int) -> None:
    """Refuse an image of `own_pixels` that is composed of many more, beyond what tiles at its edges need."""
    most = max(MIN_TILE_PIXELS, MAX_COVERED * own_pixels)
    pixels = sum(items.decoded_pixels(item) for items in _all_items(data) for item in {items.primary, *items.auxiliary})
    for tracks, start in enumerate(_first_frames(data, 0, len(data)), 1):
        if tracks > MAX_TRACKS:
            raise too_costly(f"an AVIF of more than {MAX_TRACKS} tracks, which is as many as are read")
        pixels += av1.largest_frame(data, start)
    if pixels > most:
        raise too_costly(f"an AVIF or HEIC that is put together from {pixels} pixels, at most {most} are decoded")


def _all_items(data: bytes) -> Iterator[HeifItems]:
    for box in iterate_boxes(data, 0, len(data)):
        if box.kind == b"meta":
            yield read_items(data, {inner.kind: inner for inner in _with_properties(data, box)})


def _with_properties(data: bytes, meta: IsoBox) -> Iterator[IsoBox]:
    for box in iterate_boxes(data, meta.start + 4, meta.end):
        yield box
        if box.kind == b"iprp":
            yield from iterate_boxes(data, box.start, box.end)


def _first_frames(data: bytes, start: int, end: int) -> Iterator[int]:
    """The offset of each track's first frame."""
    for box in iterate_boxes(data, start, end):
        if box.kind in _NESTED:
            yield from _first_frames(data, box.start, box.end)
        elif box.kind in (b"stco", b"co64"):
            size = 4 if box.kind == b"stco" else 8
            yield int.from_bytes(data[box.start + 8 : box.start + 8 + size], "big")
