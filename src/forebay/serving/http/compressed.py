"""Bodies that were sent compressed, as far as the limit of a body goes."""

import re
import zlib

from forebay.serving.admission.inflight import Claim
from forebay.serving.http.refusal import RefusedError, shown

IDENTITY = "identity"
GZIP = ("gzip", "x-gzip")
DEFLATE = "deflate"
ACCEPTED = (*GZIP, DEFLATE, IDENTITY)
CHUNK_BYTES = 1 << 16  # what is left of a member is copied, so it must not be the whole body
MOST_MEMBERS = 1 << 14  # of a gzip body; tools that compress in blocks make some hundred of 64 MiB
_PADDING = re.compile(rb"\0*")
_GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15  # of zlib.decompressobj


def encoding_of(header: bytes | None) -> str:
    """The one way in which a body is compressed, `identity` for none.

    Raises:
        RefusedError: another way, or several (415).
    """
    if header is None:
        return IDENTITY
    words = [word.strip() for word in header.decode("latin-1").lower().split(",")]
    found = [word for word in words if word not in ("", IDENTITY)]
    if len(found) > 1 or not set(found) <= set(ACCEPTED):
        raise RefusedError(
            f"expected Content-Encoding gzip or deflate, or none, got {shown(', '.join(found))}.",
            415,
            ((b"accept-encoding", b"gzip, deflate"),),
        )
    return found[0] if found else IDENTITY


def decompressed(body: bytes, encoding: str, limit: int, claim: Claim | None = None) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: as it came.
        encoding: of `encoding_of`.
        limit: bytes of the result; a bomb is given up as soon as it is larger.
        claim: takes the memory for body and result together, as the result grows.

    Raises:
        TooLargeError: both are too much for a small request.
        RefusedError: too large (413), or broken (400).
    """
    if encoding == IDENTITY:
        return body
    bits = _GZIP_BITS if encoding in GZIP else _ZLIB_BITS if _is_zlib(body) else _RAW_BITS
    found, place, members = bytearray(), 0, 0
    while place < len(body) or not members:
        try:
            place = _member(memoryview(body), place, zlib.decompressobj(bits), found, limit, claim)
        except zlib.error as error:
            raise _broken(encoding, str(error)) from None
        except EOFError:
            raise _broken(encoding, "it ends too early") from None
        members += 1
        if members > MOST_MEMBERS:
            raise _broken(encoding, f"it has more than {MOST_MEMBERS} members")
        padding = _PADDING.match(body, place)  # a gzip file may have several members, and padding behind them
        place = padding.end() if padding else place
    return bytes(found)


def _member(
    body: memoryview, place: int, stream: "zlib._Decompress", found: bytearray, limit: int, claim: Claim | None
) -> int:
    """Decompress what begins at `place` into `found`; where it ends.

    Raises:
        EOFError: the body ends before it.
        RefusedError: it is too large.
    """
    while not stream.eof:
        chunk = body[place : place + CHUNK_BYTES]
        if not chunk:
            raise EOFError
        found += stream.decompress(chunk, limit + 1 - len(found))
        if len(found) > limit:
            raise RefusedError(
                f"expected a body of at most {limit} bytes once it is decompressed, it has more. Send fewer images "
                "at once.",
                413,
            )
        if claim is not None:
            claim.unpacked(len(body) + len(found))
        place += len(chunk) - len(stream.unused_data) - len(stream.unconsumed_tail)
    return place


def _is_zlib(body: bytes) -> bool:
    """Whether `deflate` is what the standard says (zlib's form, RFC 1950), and not the bare stream that some send."""
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _broken(encoding: str, why: str) -> RefusedError:
    return RefusedError(f"the body does not decompress as Content-Encoding {encoding} says: {why}.")
