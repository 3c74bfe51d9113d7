"""A package of a user's, installed as pip does it: a folder, and metadata with entry points beside it."""

from collections.abc import Mapping
from pathlib import Path

import pytest


def install_package(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str],
) -> Path:
    """Write the package `name`, version 1.0, into a folder that Python searches for the time of a test.

    Args:
        entry_points: by group, then by name.
        files: texts of its modules by name of the file.

    Returns:
        The folder of the package.
    """
    package = folder / name.replace("-", "_")
    package.mkdir(parents=True)
    for file, text in {"__init__.py": "", **files}.items():
        (package / file).write_text(text)
    metadata = folder / f"{package.name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in entry_points.items()
    )
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    monkeypatch.syspath_prepend(str(folder))
    return package
