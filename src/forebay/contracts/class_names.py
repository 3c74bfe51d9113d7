"""Names of classes: which are allowed, and how a message lists them."""

from collections.abc import Sequence

from forebay.text import find_control

MAX_CHARACTERS = 1000


def name_problem(name: object) -> str:
    """Why a class cannot have this name; empty where it can."""
    if not isinstance(name, str):
        return f"must be text, is {name!r:.100}"
    if not name.strip():
        return "must not be empty"
    if len(name) > MAX_CHARACTERS:
        return f"must have at most {MAX_CHARACTERS} characters, has {len(name)}"
    control = find_control(name)
    return f"must not hold control characters such as {control}" if control else ""


def class_list(names: Sequence[str], most: int = 5) -> str:
    """Classes for a message: `class 'a'`, `classes 'a', 'b'`; of many, the first ones and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(repr, names[:most]))}{more}"
