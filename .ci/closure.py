"""What a package needs to run, from the metadata of the installed packages."""

from collections.abc import Iterable, Iterator
from importlib.metadata import distribution

from lockfile import normal
from packaging.requirements import Requirement


def closure(names: Iterable[str]) -> dict[str, set[str]]:
    """The packages that requirements need, directly or not.

    Args:
        names: requirements as in a requirements file: a name, with its extras in brackets where it has any.

    Returns:
        Each package that is needed and what it needs itself, by the names that indexes compare.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(normal(each.name), frozenset(each.extras)) for each in map(Requirement, names)]
    while waiting:
        found = waiting.pop()
        if found in seen:
            continue
        seen.add(found)
        name, extras = found
        asked = list(_asked(name, extras))
        needs.setdefault(name, set()).update(need for need, _ in asked)
        waiting += asked
    return needs


def _asked(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in distribution(name).requires or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield normal(need.name), frozenset(need.extras)
