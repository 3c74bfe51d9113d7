"""Checks one record of a source that somebody wrote. A wrong type is a mistake in its code and ends the ingest."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forebay.ingest.labels.label_text import label_text
from forebay.ingest.records import Record

FIELDS = len(Record._fields)
NO_LABEL = "the record has no label"
NO_IMAGE = "the record has no image"


class CheckedRecord(NamedTuple):
    """A record as it is spooled."""

    image: "bytes | NDArray[np.uint8]"  # an encoded image, or pixels (H, W, C) in one piece; empty with a reason
    label: str | None
    split: str | None
    id: str
    reason: str | None = None  # why it is quarantined unread
    detail: str | None = None


def check_record(record: Any, max_pixels: int, max_file_bytes: int) -> CheckedRecord | str:
    """Check a record, or say in words what is wrong with its types.

    Args:
        record: what the source yielded.
        max_pixels, max_file_bytes: `ingest.max_pixels` and `ingest.max_file_bytes`; a larger image is not spooled.
    """
    if not isinstance(record, tuple) or not 2 <= len(record) <= FIELDS:
        found = f"a tuple of {len(record)}" if isinstance(record, tuple) else f"a {type(record).__name__}"
        return f"is {found}, and must be a forebay.ingest.Record or a tuple (image, label)"
    image, label, split, name = Record(*record)
    for field, problem in (
        ("image", _image_problem(image)),
        ("label", _text_problem(label, (str, int, np.integer), "a text or a whole number")),
        ("split", _text_problem(split, (str,), "a text or None")),
        ("id", _text_problem(name, (str,), "a text")),
    ):
        if problem:
            return f"has {problem} as {field}"
    checked = CheckedRecord(
        image=_plain(image), label=label_text(_text(label)) or None, split=_text(split) or None, id=_text(name)
    )
    reason, detail = _unusable(checked, image is None, max_pixels, max_file_bytes)
    return checked._replace(image=b"", reason=reason, detail=detail) if reason else checked


def _text(value: Any) -> str:
    """A value as text that can be written as UTF-8; bytes of a file name that are no UTF-8 become escapes."""
    return "" if value is None else str(value).strip().encode("utf-8", "backslashreplace").decode()


def _text_problem(value: Any, types: tuple[type, ...], wanted: str) -> str:
    if value is None or (isinstance(value, types) and not isinstance(value, bool)):
        return ""
    return f"a {type(value).__name__} ({str(value)[:40]!r}), where {wanted} must be,"


def _image_problem(image: Any) -> str:
    if image is None or isinstance(image, bytes | bytearray | memoryview):
        return ""
    if not isinstance(image, np.ndarray):
        advice = ": read the bytes of that file" if isinstance(image, str) or hasattr(image, "__fspath__") else ""
        advice = ": numpy.asarray(image) gives its pixels" if hasattr(image, "getbands") else advice
        return f"a {type(image).__name__}, where bytes of an image file or a uint8 array must be{advice},"
    if image.dtype != np.uint8:
        return f"pixels of type {image.dtype}, where uint8 (0 to 255) must be,"
    grey = image.ndim == 2
    if not grey and (image.ndim != 3 or image.shape[2] not in (1, 3)):
        return f"pixels of shape {image.shape}, where (H, W), (H, W, 1) or (H, W, 3) must be,"
    return "pixels without any height or width" if 0 in image.shape else ""


def _plain(image: Any) -> "bytes | NDArray[np.uint8]":
    if image is None:
        return b""
    if not isinstance(image, np.ndarray):
        return bytes(image)
    pixels_HWC: NDArray[np.uint8] = np.ascontiguousarray(image if image.ndim == 3 else image[:, :, None])
    return pixels_HWC


def _unusable(
    record: CheckedRecord, missing: bool, max_pixels: int, max_file_bytes: int
) -> tuple[str | None, str | None]:
    if record.label is None:
        return "unlabelled", NO_LABEL
    if missing:
        return "unreadable", NO_IMAGE
    if isinstance(record.image, bytes):
        size, most, what = len(record.image), max_file_bytes, "bytes"
    else:
        size, most, what = record.image.shape[0] * record.image.shape[1], max_pixels, "pixels"
    return ("too_large", f"{size} {what}, at most {most} are read") if size > most else (None, None)
