"""Classes: what may be one's name, and how they stand in a message."""

import unicodedata
from collections.abc import Sequence

LONGEST = 1000  # characters of a name
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, line and paragraph ends


def name_problem(name: object) -> str:
    """Why something cannot be the name of a class; empty where it can."""
    if not isinstance(name, str):
        return f"must be text, is {name!r:.100}"
    if not name.strip():
        return "must not be empty"
    if len(name) > LONGEST:
        return f"must have at most {LONGEST} characters, has {len(name)}"
    if any(unicodedata.category(character) in _NO_TEXT for character in name):
        return f"must not hold control characters, is {name!a:.100}"
    return ""


def listed(names: Sequence[str], most: int = 5) -> str:
    """Name classes: `class 'a'`, `classes 'a', 'b'`, and only so many of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(repr, names[:most]))}{more}"
