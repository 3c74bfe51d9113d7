"""Parsing JSON within limits: it blocks every other thread, and the result takes many times the memory of the text."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson

from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.protocol.content_guess import describe_content
from forebay.serving.rejection import RequestRejectedError, short_repr

UNCHECKED_BYTES = 1 << 16  # a text up to this size cannot hold much
MAX_VALUES = 1 << 23  # parsing this many numbers takes about half a second
MAX_CONTAINERS = 1 << 22  # lists and objects, which cost more
VALUE_BYTES, CONTAINER_BYTES = 32, 72  # memory of a float with its place in a list, and of an empty list
_BLOCK_BYTES = 1 << 20


def parse_json_object(text: bytes, reservation: MemoryReservation) -> dict[str, Any]:
    """Parse a JSON object, whose memory the reservation holds.

    Raises:
        RequestRejectedError: it is not one, it holds too many values (413), or there is no memory for it now (503).
        NotSmallError: it is too much for a small request.
    """
    is_checked = len(text) > UNCHECKED_BYTES
    if is_checked:
        reservation.reserve_decoded(_parsed_bytes(text))
    try:
        with _without_garbage_collection(is_checked):
            document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestRejectedError(
            f"expected a JSON object, got something that is not JSON: {error}. {describe_content(text)}".rstrip()
        ) from None
    if not isinstance(document, dict):
        raise RequestRejectedError(f"expected a JSON object, got {short_repr(document)}.")
    return document


def _parsed_bytes(text: bytes) -> int:
    """How many bytes the parsed text takes at most, from the number of its commas and brackets."""
    values, containers = 1, 0
    for start in range(0, len(text), _BLOCK_BYTES):
        block = np.frombuffer(text, np.uint8, min(_BLOCK_BYTES, len(text) - start), start)
        values += int(np.count_nonzero(block == ord(",")))
        containers += int(np.count_nonzero((block | 0x20) == ord("{")))  # the bit makes "[" the same as "{"
    if values > MAX_VALUES or containers > MAX_CONTAINERS:
        raise RequestRejectedError(
            f"expected JSON of at most {MAX_VALUES} values and {MAX_CONTAINERS} lists and objects, got {values} and "
            f"{containers}. Send the images as a binary tensor (V2) or as files, or fewer at once.",
            413,
        )
    return len(text) + values * VALUE_BYTES + containers * CONTAINER_BYTES


_parsing = 0
_parsing_lock = threading.Lock()


@contextmanager
def _without_garbage_collection(wanted: bool) -> Iterator[None]:
    """Pause the garbage collector: it would walk over each new list again and again, and JSON makes no cycles."""
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
