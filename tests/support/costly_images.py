"""Image files that ask for far more work than their size and their pixels say, made byte by byte."""

import struct
import zlib

LINE_END = b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    """One segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def many_scans(height: int, width: int, scans: int) -> bytes:
    """A grey progressive JPEG of ten bytes a scan, each of which walks over all pixels."""
    frame = struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])
    code = bytes([1]) + bytes(15) + bytes([0])  # one code of one bit
    tables = segment(0xDB, bytes([0]) + bytes([1] * 64)) + segment(0xC4, b"\0" + code) + segment(0xC4, b"\x10" + code)
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + segment(0xDA, bytes([1, 1, 0, 1, 63, 1]))
    more = segment(0xDA, bytes([1, 1, 0, 1, 63, 0x10])) * (scans - 2)
    return b"\xff\xd8" + tables[: 2 + 67] + segment(0xC2, frame) + tables[2 + 67 :] + first + more + LINE_END


def chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(between: bytes) -> bytes:
    """A black PNG of 8x8 pixels with more chunks before its image."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(9 * 8)))
    return b"\x89PNG\r\n\x1a\n" + head + between + rows + chunk(b"IEND", b"")


def tiff(entries: dict[int, tuple[int, int, int]], body: bytes = b"") -> bytes:
    """A TIFF of one directory, with `body` behind it.

    Args:
        entries: kind, count and value by tag; a value below zero is a place in `body`, counted from -1 downwards.
        body: what the entries point at.
    """
    start = 8 + 2 + 12 * len(entries) + 4
    packed = b"".join(
        struct.pack("<HHII", tag, kind, count, value if value >= 0 else start - 1 - value)
        for tag, (kind, count, value) in sorted(entries.items())
    )
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4) + body


def grey_tiff(height: int, width: int, **more: tuple[int, int, int]) -> dict[int, tuple[int, int, int]]:
    """The entries of a grey image of 8 bits, not compressed, and `more` of them by `tNUMBER`."""
    plain = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1), 277: (3, 1, 1)}
    return plain | {int(name[1:]): entry for name, entry in more.items()}
