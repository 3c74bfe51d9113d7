"""Bodies that were sent compressed, as far as the limit of a body goes."""

import zlib

from forebay.serving.wire.refusal import RefusedError, shown

IDENTITY = "identity"
GZIP = ("gzip", "x-gzip")
DEFLATE = "deflate"
ACCEPTED = (*GZIP, DEFLATE, IDENTITY)
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


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before it was compressed.

    Args:
        body: as it came.
        encoding: of `encoding_of`.
        limit: bytes of the result; a bomb is given up as soon as it is larger.

    Raises:
        RefusedError: too large (413), or broken (400).
    """
    if encoding == IDENTITY:
        return body
    bits = _GZIP_BITS if encoding in GZIP else _ZLIB_BITS if _is_zlib(body) else _RAW_BITS
    parts: list[bytes] = []
    total, rest = 0, body
    while rest or not parts:
        stream = zlib.decompressobj(bits)
        try:
            parts.append(stream.decompress(rest, limit + 1 - total))
        except zlib.error as error:
            raise _broken(encoding, str(error)) from None
        total += len(parts[-1])
        if total > limit:
            raise RefusedError(
                f"expected a body of at most {limit} bytes once it is decompressed, it has more. Send fewer pictures "
                "at once.",
                413,
            )
        if not stream.eof:
            raise _broken(encoding, "it ends too early")
        rest = stream.unused_data.lstrip(b"\0")  # a gzip file may have several members, and padding behind them
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _is_zlib(body: bytes) -> bool:
    """Whether `deflate` is what the standard says (zlib's form, RFC 1950), and not the bare stream that some send."""
    return len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0


def _broken(encoding: str, why: str) -> RefusedError:
    return RefusedError(f"the body does not decompress as Content-Encoding {encoding} says: {why}.")
