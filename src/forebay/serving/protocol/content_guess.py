"""What a body seems to be that should be JSON and is not, from its first bytes."""

# Signatures of files whose bytes people send where JSON belongs; no JSON text begins with one of them.
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG file", "image/jpeg"),
    (b"\x89PNG", "a PNG file", "image/png"),
    (b"GIF8", "a GIF file", "image/gif"),
    (b"BM", "a BMP file", "image/bmp"),
    (b"RIFF", "a WebP file", "image/webp"),
    (b"II*\0", "a TIFF file", "image/tiff"),
    (b"MM\0*", "a TIFF file", "image/tiff"),
    (b"P5", "a PPM file", "image/x-portable-graymap"),
    (b"P6", "a PPM file", "image/x-portable-pixmap"),
)
_GZIP = b"\x1f\x8b"
# AVIF and HEIC files begin with a length, then their kind.
_BRANDS = {b"ftypavif": ("an AVIF file", "image/avif"), b"ftypavis": ("an AVIF file", "image/avif")}
_BRANDS |= dict.fromkeys((b"ftypheic", b"ftypheix", b"ftypmif1"), ("a HEIC file", "image/heic"))


def describe_content(body: bytes) -> str:
    """What a body that is not JSON seems to be, and how to send it; empty where its first bytes are not known."""
    if body.startswith(_GZIP):
        return "It begins like a gzip file: add the header `Content-Encoding: gzip`."
    found = next(
        ((kind, media) for signature, kind, media in _SIGNATURES if body.startswith(signature)),
        _BRANDS.get(bytes(body[4:12])),
    )
    if found is None:
        return ""
    kind, media = found
    return (
        f"It begins like {kind}: send that with its own type (`curl --data-binary @FILE -H 'Content-Type: {media}'`), "
        'or in JSON as {"instances": [{"b64": "…"}]}.'
    )
