"""Classes in a message."""

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 5) -> str:
    """Name classes: `class 'a'`, `classes 'a', 'b'`, and only so many of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{'class' if len(names) == 1 else 'classes'} {', '.join(map(repr, names[:most]))}{more}"
