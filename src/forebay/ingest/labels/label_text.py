"""From the text of a label to the name of a class."""

import re

NO_LABEL = frozenset(("", "nan", "none", "null", "n/a", "<na>"))
_WHOLE_FLOAT = re.compile(r"([+-]?\d+)\.0+")


def label_text(text: str) -> str:
    """A label of a table as the class is called; empty where the text stands for a missing label."""
    return "" if text.lower() in NO_LABEL else whole_number(text)


def whole_number(text: str) -> str:
    """`1.0` as `1`: pandas and others write whole numbers as floats where a label is missing."""
    found = _WHOLE_FLOAT.fullmatch(text)
    return found[1] if found else text
