"""JPEG: every scan passes over all pixels, and a scan may be ten bytes long."""

import re
from collections.abc import Iterator
from typing import Any

from forebay.images.errors import too_costly
from forebay.images.limits import (
    MAX_EXIF_SEGMENTS,
    MAX_JUNK_BYTES,
    MAX_SCANS,
    MAX_SEGMENTS,
    MAX_VISITS,
)

MAGIC = b"\xff\xd8\xff"
EXIF = b"Exif\0\0"
SOS = b"\xff\xda"
_EOI = 0xD9
_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")  # the markers with a length, and the end of the image
FIX = "save it again, as a baseline JPEG"


def check_bytes(data: bytes) -> None:
    """Refuse a file with many segments before its first scan, or with many bytes between them."""
    exif = data.count(EXIF)
    if exif > MAX_EXIF_SEGMENTS:
        raise too_costly(f"a JPEG with EXIF in {exif} segments, at most {MAX_EXIF_SEGMENTS} are read")
    segments, junk, end = 0, 0, 2
    for at in _markers(data):
        segments, junk = segments + 1, junk + at - end
        if segments > MAX_SEGMENTS:
            raise too_costly(f"a JPEG of more than {MAX_SEGMENTS} segments before its image: {FIX}")
        if junk > MAX_JUNK_BYTES:
            raise too_costly(f"a JPEG with more than {MAX_JUNK_BYTES} bytes that belong to no segment: {FIX}")
        if data.startswith(SOS, at):
            return
        end = _segment_end(data, at)


def check_scans(image: Any, data: bytes, max_pixels: int) -> bool:
    """Refuse too many scans, or scans that pass over too many samples.

    Args:
        image: Pillow's; it has read the file up to the head of the first scan.
        data: the whole file.
        max_pixels: the limit of an image.

    Returns:
        Whether there is more than one scan.
    """
    if _is_baseline(image, data):
        return False
    most = data.count(SOS)  # an upper bound: 00 follows a coded FF, and thumbnails add their scans
    pixels = image.width * image.height
    if most > MAX_SCANS or most * image.layers * pixels > MAX_VISITS * max_pixels:
        _check_scans_exactly(image, data, max_pixels)
    return True


def _is_baseline(image: Any, data: bytes) -> bool:
    """Whether the first scan holds all components in full; libjpeg reads no further then."""
    head = SOS + bytes([0, 6 + 2 * image.layers, image.layers])
    return "progressive" not in image.info and data.startswith(head, image.fp.tell() - 8 - 2 * image.layers)


def _check_scans_exactly(image: Any, data: bytes, max_pixels: int) -> None:
    samples = _samples(image)
    height, width, visits = image.height, image.width, 0.0
    for scan, components in enumerate(_scans(data), 1):
        visits += sum(samples.get(component, 0) for component in components)
        if scan > MAX_SCANS:
            raise too_costly(f"a JPEG of more than {MAX_SCANS} scans, which is as many as are decoded: {FIX}")
        if visits > MAX_VISITS * max_pixels:
            raise too_costly(
                f"a JPEG whose scans walk over its {height}x{width} pixels too often: over more than "
                f"{MAX_VISITS * max_pixels} samples, {MAX_VISITS} for each of {max_pixels} pixels: {FIX}"
            )


def _samples(image: Any) -> dict[int, float]:
    """The number of samples of each component."""
    across = max(layer[1] for layer in image.layer)
    down = max(layer[2] for layer in image.layer)
    pixels = image.width * image.height
    return {layer[0]: pixels * layer[1] * layer[2] / (across * down) for layer in image.layer}


def _scans(data: bytes) -> Iterator[bytes]:
    """The components of each scan. There may be more scans than libjpeg finds, never fewer."""
    for at in _markers(data):
        if data.startswith(SOS, at):
            count = data[at + 4] if at + 4 < len(data) else 0
            yield data[at + 5 : at + 5 + 2 * count : 2]


def _markers(data: bytes) -> Iterator[int]:
    """The offsets of the markers with a length, and last the end of the image or of the file."""
    at = 2
    while found := _MARKER.search(data, at):
        at = found.start()
        yield at
        if data[at + 1] == _EOI:
            return
        at = _segment_end(data, at)
    yield len(data)


def _segment_end(data: bytes, at: int) -> int:
    return at + 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
