"""Classes: what may be one's name, and how they stand in a message."""

from collections.abc import Sequence

from forebay.text import find_control

LONGEST = 1000  # characters of a name


def name_problem(name: object) -> str:
    """Why something cannot be the name of a class; empty where it can."""
    if not isinstance(name, str):
        return f"must be text, is {name!r:.100}"
    if not name.strip():
        return "must not be empty"
    if len(name) > LONGEST:
        return f"must have at most {LONGEST} characters, has {len(name)}"
    control = find_control(name)
    return f"must not hold control characters such as {control}" if control else ""


def class_list(names: Sequence[str], most: int = 5) -> str:
    """Name classes: `class 'a'`, `classes 'a', 'b'`, and only so many of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(repr, names[:most]))}{more}"
