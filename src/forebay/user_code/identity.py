"""The identity of an installed package's code: what a cache key needs to know of code whose text does not travel."""

import hashlib
import importlib.machinery
import sys
from collections.abc import Iterator
from pathlib import Path

from forebay.user_code.entry_points import find_entry_point
from forebay.user_code.reference import CodeReference

MAX_FILES = 5_000
NOT_INSTALLED = "not-installed-here"


def package_identity(reference: CodeReference, group: str) -> str:
    """A digest of the Python files of the package that a reference names; nothing of it is imported.

    Args:
        reference: a module or an entry point.
        group: of entry points.

    Returns:
        A hex digest that changes with every edit, or `NOT_INSTALLED`, where only the container image has the package.

    Raises:
        ConfigError: no package brings the entry point, or several do.
    """
    if reference.entry_point:
        reference = find_entry_point(group, reference.entry_point).reference
    spec = importlib.machinery.PathFinder.find_spec(reference.module.partition(".")[0], sys.path)
    if spec is None:
        return NOT_INSTALLED
    digest = hashlib.sha256()
    for name, file in _python_files(spec):
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _python_files(spec: importlib.machinery.ModuleSpec) -> Iterator[tuple[str, Path]]:
    """The files of a package with their names inside it; the one file of a module that is no package."""
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    found = ((path.relative_to(folder).as_posix(), path) for folder in folders for path in folder.rglob("*.py"))
    yield from sorted(found)[:MAX_FILES]
    if not folders and spec.origin:
        yield spec.name, Path(spec.origin)
