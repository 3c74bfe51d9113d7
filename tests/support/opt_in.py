"""Folders of tests that run only when they are asked for, because they need or write to something outside."""

import os
from pathlib import Path

import pytest


def skip_unless_asked(items: list[pytest.Item], folder: Path, variable: str, reason: str) -> None:
    """Skip the tests of a folder, with the reason, unless the variable is 1; then what they miss is a failure."""
    if os.environ.get(variable) == "1":
        return
    for item in items:
        if item.path.parent == folder:
            item.add_marker(pytest.mark.skip(reason=reason))
