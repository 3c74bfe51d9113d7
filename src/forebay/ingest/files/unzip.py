"""The content of one member of a zip archive, from its bytes in the archive."""

import struct
import zlib

LOCAL_HEADER = struct.Struct("<4s5H3L2H")
SIGNATURE = b"PK\x03\x04"
STORED, DEFLATED = 0, 8
DATA_DESCRIPTOR = 1 << 3  # flag bit: the checksum follows the content


def unzip_member(data: bytes, size: int) -> bytes:
    """Unpack a member of a zip archive.

    Args:
        data: the archive's bytes from the member's local header on; bytes after the member are ignored.
        size: bytes of the content, as the archive's directory states; no more than that is ever unpacked.

    Raises:
        ValueError: it is damaged, or its size is not the stated one.
    """
    if len(data) < LOCAL_HEADER.size or data[:4] != SIGNATURE:
        raise ValueError("there is no zip member where the archive's directory says")
    _, _, flags, method, _, _, checksum, _, _, name_bytes, extra_bytes = LOCAL_HEADER.unpack_from(data)
    start = LOCAL_HEADER.size + name_bytes + extra_bytes
    content = data[start : start + size] if method == STORED else _inflate(data[start:], size)
    if len(content) != size:
        raise ValueError(f"its zip member has {len(content)} bytes, {size} are announced")
    if not flags & DATA_DESCRIPTOR and zlib.crc32(content) != checksum:
        raise ValueError("its zip member is damaged: the checksum differs")
    return content


def _inflate(data: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        return inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"its zip member is damaged: {error}") from error
