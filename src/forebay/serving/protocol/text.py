"""JSON of a request, within limits: parsing stops every other thread, and makes many times the memory of the text."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson

from forebay.serving.admission.inflight import Claim
from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.protocol.encoded import what_it_is

CHECKED_BYTES = 1 << 16  # what is shorter cannot hold much
MAX_VALUES = 1 << 23  # in one request: parsing so many numbers takes about half a second
MAX_HOLDERS = 1 << 22  # lists and objects, which cost more
VALUE_BYTES, HOLDER_BYTES = 32, 72  # of memory: a float with its place in a list, an empty list
_BLOCK_BYTES = 1 << 20


def json_object(text: bytes, claim: Claim) -> dict[str, Any]:
    """Parse a JSON object, for which the claim takes the memory.

    Raises:
        RefusedError: it is none, it holds too many values (413), or there is no memory for it now (503).
        TooLargeError: it is too much for a small request.
    """
    if len(text) > CHECKED_BYTES:
        claim.decoded(_memory(text))
    try:
        with _no_collection(len(text) > CHECKED_BYTES):
            document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(
            f"expected a JSON object, got something that is not JSON: {error}. {what_it_is(text)}".rstrip()
        ) from None
    if not isinstance(document, dict):
        raise RefusedError(f"expected a JSON object, got {shown(document)}.")
    return document


def _memory(text: bytes) -> int:
    """Bytes that the text takes at most once it is parsed, from its commas and brackets."""
    values, holders = 1, 0
    for start in range(0, len(text), _BLOCK_BYTES):
        block = np.frombuffer(text, np.uint8, min(_BLOCK_BYTES, len(text) - start), start)
        values += int(np.count_nonzero(block == ord(",")))
        holders += int(np.count_nonzero((block | 0x20) == ord("{")))  # which makes "[" the same
    if values > MAX_VALUES or holders > MAX_HOLDERS:
        raise RefusedError(
            f"expected JSON of at most {MAX_VALUES} values and {MAX_HOLDERS} lists and objects, got {values} and "
            f"{holders}. Send the images as a binary tensor (V2) or as files, or fewer at once.",
            413,
        )
    return len(text) + values * VALUE_BYTES + holders * HOLDER_BYTES


_parsing = 0
_parsing_lock = threading.Lock()


@contextmanager
def _no_collection(wanted: bool) -> Iterator[None]:
    """Let the garbage collector rest: it would walk over each new list again and again, and JSON makes no cycles."""
    global _parsing
    if not wanted:
        yield
        return
    with _parsing_lock:
        _parsing += 1
        gc.disable()
    try:
        yield
    finally:
        with _parsing_lock:
            _parsing -= 1
            if not _parsing:
                gc.enable()
