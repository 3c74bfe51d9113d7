"""Image files inside a request: in base64 as clients write it, or where something else was expected."""

import binascii
import re
from typing import Any
from urllib.parse import unquote

from forebay.serving.http.refusal import RefusedError, shown

_DATA_URL = re.compile(r"data:(?P<media>[^,]{0,200}),", re.IGNORECASE)
_BASE64_MEDIA = re.compile(r"(.*; *)?base64 *", re.IGNORECASE | re.DOTALL)  # the URL standard allows the spaces
_ADDRESS = re.compile(r"(https?|file|blob):|[a-z][a-z0-9+.-]*:[/\\]", re.IGNORECASE)
_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_URL_SAFE = str.maketrans("-_", "+/")
# How files begin whose bytes people send where JSON belongs. Only what no JSON begins with is here.
_MAGICS: tuple[tuple[bytes, str, str], ...] = (
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
# AVIF and HEIC name their kind behind a length.
_BRANDS = {b"ftypavif": ("an AVIF file", "image/avif"), b"ftypavis": ("an AVIF file", "image/avif")}
_BRANDS |= dict.fromkeys((b"ftypheic", b"ftypheix", b"ftypmif1"), ("a HEIC file", "image/heic"))


def unpack(item: Any, here: str) -> bytes:
    """The file in `{"b64": "…"}`: plain or URL-safe base64, padded or not, also as `data:image/png;base64,…`.

    Raises:
        RefusedError: another object, or a text that is no base64.
    """
    if not isinstance(item, dict) or set(item) != {"b64"} or not isinstance(item["b64"], str):
        raise RefusedError(f'{here}: expected {{"b64": "…"}} with one base64 text, got {shown(item)}.')
    text = item["b64"]
    if ":" in text[:20]:
        text = _without_scheme(text.lstrip(), here)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):  # line ends, the other alphabet or no padding, or no base64 at all
        return _tolerant(text, here)


def what_it_is(body: bytes) -> str:
    """What a body that is no JSON seems to be, with what to do about it; empty where nothing is known of it."""
    if body.startswith(_GZIP):
        return "It begins like a gzip file: add the header `Content-Encoding: gzip`."
    found = next(
        ((what, media) for magic, what, media in _MAGICS if body.startswith(magic)), _BRANDS.get(bytes(body[4:12]))
    )
    if found is None:
        return ""
    what, media = found
    return (
        f"It begins like {what}: send that with its own type (`curl --data-binary @FILE -H 'Content-Type: {media}'`), "
        'or in JSON as {"instances": [{"b64": "…"}]}.'
    )


def _without_scheme(text: str, here: str) -> str:
    if _ADDRESS.match(text):
        raise RefusedError(
            f"{here}: b64 is an address, {shown(text)}, and this server fetches nothing. Send the image's own bytes "
            "in base64."
        )
    found = _DATA_URL.match(text)
    if found is None:
        return text
    if not _BASE64_MEDIA.fullmatch(found["media"]):
        raise RefusedError(
            f"{here}: b64 is a data: URL that is not in base64, {shown(text)}. Expected data:image/png;base64,… or "
            "base64 alone."
        )
    data = text[found.end() :]
    return unquote(data) if "%" in data else data


def _tolerant(text: str, here: str) -> bytes:
    plain = "".join(text.split()).translate(_URL_SAFE)
    bare = plain.rstrip("=")
    wrong = _NO_BASE64.search(bare)
    if wrong or len(plain) - len(bare) > 2:
        sign = wrong[0] if wrong else "="
        place = wrong.start() if wrong else len(bare)
        raise RefusedError(
            f"{here}: b64 is not base64: {sign!r} at character {place} is none of its signs. Expected a PNG or JPEG "
            "file, encoded in base64 (plain or URL-safe, a data: URL too)."
        )
    if len(bare) % 4 == 1:
        raise RefusedError(
            f"{here}: b64 is not base64: {len(bare)} signs are no whole bytes, the text was cut. Expected a PNG or "
            "JPEG file, encoded."
        )
    return binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
