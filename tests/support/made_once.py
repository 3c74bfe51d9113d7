"""What is dear to make and only read is made once for all processes of a test run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.local.runs.cache import record_digests
from forebay.state import FileLock, Home


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A path under the run's temporary folder that the first process to ask for it makes; the others wait and read.

    Args:
        factory: pytest's, of this process.
        name: of the path, one for each thing that is made.
        make: called with the path, which does not exist.
    """
    base = factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "made-once"  # a process of xdist has its own
    path, marker = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock").held(name, wait=True):
        if not marker.exists():
            shutil.rmtree(path, ignore_errors=True)  # half of it, where making it failed
            make(path)
            marker.touch()
    return path


def home_with(database: Path, root: Path, cached: Home | None = None) -> Home:
    """A fresh state folder at `root` with a copy of an MLflow database, such as the fixture `mlflow_template`.

    Args:
        database: the file to copy.
        root: where the folder will be.
        cached: a state folder whose cached steps count here too; what they made stays there and is only read.
    """
    home = Home(root).open()
    shutil.copy(database, home.mlflow_database)
    if cached is not None:
        shutil.copytree(cached.cache, home.cache)
        record_digests(home.cache)
    return home
