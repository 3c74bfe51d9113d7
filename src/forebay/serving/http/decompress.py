"""Compressed bodies: they are decompressed up to the limit of a body."""

import re
import zlib

from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.rejection import RequestRejectedError, short_repr

IDENTITY = "identity"
GZIP = ("gzip", "x-gzip")
DEFLATE = "deflate"
ACCEPTED = (*GZIP, DEFLATE, IDENTITY)
CHUNK_BYTES = 1 << 16  # zlib copies what a member leaves of a chunk, so a chunk must not be the whole body
MAX_MEMBERS = 1 << 14  # gzip tools that compress in blocks make some hundred members of 64 MiB
_PADDING = re.compile(rb"\0*")
_GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15  # values of `wbits` for zlib.decompressobj


def content_encoding(header: bytes | None) -> str:
    """How a body is compressed, from the header Content-Encoding; `identity` where it is not.

    Raises:
        RequestRejectedError: it is compressed in another way, or in several (415).
    """
    if header is None:
        return IDENTITY
    words = [word.strip() for word in header.decode("latin-1").lower().split(",")]
    found = [word for word in words if word not in ("", IDENTITY)]
    if len(found) > 1 or not set(found) <= set(ACCEPTED):
        raise RequestRejectedError(
            f"expected Content-Encoding gzip or deflate, or none, got {short_repr(', '.join(found))}.",
            415,
            ((b"accept-encoding", b"gzip, deflate"),),
        )
    return found[0] if found else IDENTITY


def decompress(body: bytes, encoding: str, limit: int, reservation: MemoryReservation | None = None) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: as it was sent.
        encoding: the result of `content_encoding`.
        limit: bytes of the result; decompression ends as soon as it is larger.
        reservation: holds the memory of body and result together, as the result grows.

    Raises:
        NotSmallError: both are too much for a small request.
        RequestRejectedError: the result is too large (413), or the body is damaged (400).
    """
    if encoding == IDENTITY:
        return body
    bits = _GZIP_BITS if encoding in GZIP else _ZLIB_BITS if _has_zlib_header(body) else _RAW_BITS
    result, offset, members = bytearray(), 0, 0
    while offset < len(body) or not members:
        try:
            offset = _append_member(memoryview(body), offset, zlib.decompressobj(bits), result, limit, reservation)
        except zlib.error as error:
            raise _damaged(encoding, str(error)) from None
        except EOFError:
            raise _damaged(encoding, "it ends too early") from None
        members += 1
        if members > MAX_MEMBERS:
            raise _damaged(encoding, f"it has more than {MAX_MEMBERS} members")
        padding = _PADDING.match(body, offset)  # a gzip file may have several members, and padding behind each
        offset = padding.end() if padding else offset
    return bytes(result)


def _append_member(
    body: memoryview,
    offset: int,
    stream: "zlib._Decompress",
    result: bytearray,
    limit: int,
    reservation: MemoryReservation | None,
) -> int:
    """Decompress the member that begins at `offset` into `result`; returns where it ends.

    Raises:
        EOFError: the body ends before the member does.
        RequestRejectedError: the result is too large (413).
    """
    while not stream.eof:
        chunk = body[offset : offset + CHUNK_BYTES]
        if not chunk:
            raise EOFError
        result += stream.decompress(chunk, limit + 1 - len(result))
        if len(result) > limit:
            raise RequestRejectedError(
                f"expected a body of at most {limit} bytes once it is decompressed, it has more. Send fewer images "
                "at once.",
                413,
            )
        if reservation is not None:
            reservation.reserve_decompressed(len(body) + len(result))
        offset += len(chunk) - len(stream.unused_data) - len(stream.unconsumed_tail)
    return offset


def _has_zlib_header(body: bytes) -> bool:
    """Whether `deflate` is what the standard says (zlib's form, RFC 1950), and not the bare stream that some send."""
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _damaged(encoding: str, why: str) -> RequestRejectedError:
    return RequestRejectedError(f"the body does not decompress as Content-Encoding {encoding} says: {why}.")
