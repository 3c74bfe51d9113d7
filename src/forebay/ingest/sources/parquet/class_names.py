"""From a value of the label column to a class name."""

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from forebay.ingest.sources.parquet.columns import hugging_face_features

NO_LABEL = ("", "nan", "<na>")  # as pandas writes what is missing
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a Hugging Face ClassLabel in the order of their numbers; None where the file has none.

    They are a list, or a mapping from number to name (or from name to number), as dataset cards have it.
    """
    feature = hugging_face_features(schema).get(column)
    if not isinstance(feature, dict):
        return None
    inner = feature.get("dtype")
    if isinstance(inner, dict):
        feature = inner.get("class_label") or {}
    names = feature.get("names") if isinstance(feature, dict) else None
    if not names or isinstance(names, str):
        return None
    if isinstance(names, Mapping):
        return _in_order(names)
    return [str(name) for name in names] if isinstance(names, Sequence) else None


def _in_order(names: Mapping[str, Any]) -> list[str] | None:
    numbered = _numbered(names) or _numbered({str(number): name for name, number in names.items()})
    if numbered is None or sorted(numbered) != list(range(len(names))):
        return None
    return [numbered[number] for number in range(len(names))]


def _numbered(names: Mapping[str, Any]) -> dict[int, str] | None:
    if not all(str(number).isascii() and str(number).isdigit() for number in names):
        return None
    return {int(number): str(name) for number, name in names.items()}


def value_text(value: Any) -> str | None:
    """A value as text: whole floats as whole numbers; None where it is missing, NaN (also as text) or blank."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        value = int(value) if value == int(value) else value
    return None if value is None or str(value).strip().lower() in NO_LABEL else str(value)


def partition_text(value: str | None) -> str | None:
    """A folder's value as the class is called; writers put floats into label=1.0/ where a label is missing."""
    whole = _WHOLE.fullmatch(value or "")
    return whole[1] if whole else value


def label_name(value: Any, names: Sequence[str] | None) -> tuple[str | None, str | None]:
    """The class name of a value, else why there is none.

    Args:
        value: of the label column.
        names: of the classes by number, where the file has them. Below 0 is Hugging Face's word for unlabelled.
    """
    text = value_text(value)
    if text is None:
        return None, f"no label ({value!r})"
    number = _number(value)
    if names is None or number is None:
        return text, None
    if 0 <= number < len(names) and number == int(number):
        return names[int(number)], None
    return None, f"label {text}, but there are {len(names)} class names"


def _number(value: Any) -> float | None:
    """The value as a number; a truth value is one as well."""
    return float(value) if isinstance(value, int | float | Decimal) else None
