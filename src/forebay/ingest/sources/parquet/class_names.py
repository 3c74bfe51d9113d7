"""From a value of the label column to the name of a class."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

NO_LABEL = ("", "nan", "<na>")  # how pandas writes a missing value


def class_name(value: Any, names: Sequence[str] | None) -> tuple[str | None, str | None]:
    """The class name of a value, else why there is none.

    Args:
        value: a value of the label column.
        names: the classes by number, where the file has them. Hugging Face writes a number below 0 for "unlabelled".
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


def value_text(value: Any) -> str | None:
    """A value as text, whole floats as whole numbers; None where it is missing, NaN (also as text) or blank."""
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


def _number(value: Any) -> float | None:
    """The value as a number; truth values count as numbers."""
    return float(value) if isinstance(value, int | float | Decimal) else None
