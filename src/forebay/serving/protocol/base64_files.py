"""Files in base64 inside a request, in every flavour that clients write."""

import binascii
import re
from typing import Any
from urllib.parse import unquote

from forebay.serving.rejection import RequestRejectedError, short_repr

_DATA_URL = re.compile(r"data:(?P<media>[^,]{0,200}),", re.IGNORECASE)
_BASE64_MEDIA = re.compile(r"(.*; *)?base64 *", re.IGNORECASE | re.DOTALL)  # the URL standard allows the spaces
_ADDRESS = re.compile(r"(https?|file|blob):|[a-z][a-z0-9+.-]*:[/\\]", re.IGNORECASE)
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_FROM_URL_SAFE = str.maketrans("-_", "+/")


def decode_base64_file(item: Any, field: str) -> bytes:
    """The file in `{"b64": "…"}`: plain or URL-safe base64, padded or not, also as `data:image/png;base64,…`.

    Args:
        item: as parsed from JSON.
        field: the part of the request, for messages.

    Raises:
        RequestRejectedError: it is another object, or its text is not base64.
    """
    if not isinstance(item, dict) or set(item) != {"b64"} or not isinstance(item["b64"], str):
        raise RequestRejectedError(f'{field}: expected {{"b64": "…"}} with one base64 text, got {short_repr(item)}.')
    text = item["b64"]
    if ":" in text[:20]:
        text = _strip_data_url(text.lstrip(), field)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):  # it has line ends, the other alphabet or no padding, or is not base64 at all
        return _decode_leniently(text, field)


def _strip_data_url(text: str, field: str) -> str:
    if _ADDRESS.match(text):
        raise RequestRejectedError(
            f"{field}: b64 is an address, {short_repr(text)}, and this server fetches nothing. Send the image's own "
            "bytes in base64."
        )
    found = _DATA_URL.match(text)
    if found is None:
        return text
    if not _BASE64_MEDIA.fullmatch(found["media"]):
        raise RequestRejectedError(
            f"{field}: b64 is a data: URL that is not in base64, {short_repr(text)}. Expected data:image/png;base64,… "
            "or base64 alone."
        )
    data = text[found.end() :]
    return unquote(data) if "%" in data else data


def _decode_leniently(text: str, field: str) -> bytes:
    standard = "".join(text.split()).translate(_FROM_URL_SAFE)
    unpadded = standard.rstrip("=")
    wrong = _NOT_BASE64.search(unpadded)
    if wrong or len(standard) - len(unpadded) > 2:
        character = wrong[0] if wrong else "="
        position = wrong.start() if wrong else len(unpadded)
        raise RequestRejectedError(
            f"{field}: b64 is not base64: {character!r} at character {position} is none of its characters. Expected a "
            "PNG or JPEG file, encoded in base64 (plain or URL-safe, a data: URL too)."
        )
    if len(unpadded) % 4 == 1:
        raise RequestRejectedError(
            f"{field}: b64 is not base64: {len(unpadded)} characters do not make whole bytes, the text was cut. "
            "Expected a PNG or JPEG file, encoded."
        )
    return binascii.a2b_base64(unpadded + "=" * (-len(unpadded) % 4))
