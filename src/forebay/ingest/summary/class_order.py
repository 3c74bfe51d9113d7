"""The order of the classes, which numbers their labels."""

from collections.abc import Iterable


def order_classes(names: Iterable[str]) -> list[str]:
    """Sort class names in label order: by number where all of them are numbers, else by code point."""
    names = list(names)
    if all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
