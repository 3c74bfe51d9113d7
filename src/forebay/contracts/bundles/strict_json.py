"""JSON from a file that anybody may have written: UTF-8, finite numbers, no name twice, not too deep."""

import json
import math
from typing import Any

MAX_DEPTH = 20  # nested lists and objects


def parse_strict_json(data: bytes) -> Any:
    """Read strict JSON.

    Raises:
        ValueError: the bytes are no such JSON; the text says why.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep") from error
    _check(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"the name {twice!a:.100} stands twice in one object")
    return found


def _constant(word: str) -> Any:
    raise ValueError(f"{word} is no number that JSON knows")


def _check(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            _check_scalar(each)
            if isinstance(each, dict):
                inner += [*each, *each.values()]
            elif isinstance(each, list):
                inner += each
        if not inner:
            return
        level = inner
    raise ValueError(f"it is more than {MAX_DEPTH} levels deep")


def _check_scalar(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{value!a:.100} is no text: it holds half a character") from error
