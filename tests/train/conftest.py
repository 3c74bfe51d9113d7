"""Fixtures of the train tests: a small dataset, and a step that trains on it in a child process."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forebay.settings import TrainConfig
from forebay.state import Home
from support.prepared_datasets import SMALL_TRAINING, write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """320 training rows of 8x8 grey in three classes, in two shards."""
    return write_dataset(tmp_path_factory.mktemp("prepared") / "patterns")


@pytest.fixture
def home(home: Home, mlflow_template: Path) -> Home:
    """The state folder with a database in it: every training here would make one."""
    shutil.copy(mlflow_template, home.mlflow_database)
    return home


@pytest.fixture
def small() -> Callable[..., TrainConfig]:
    """Settings of a training of ten steps an epoch, with the given changes."""
    return lambda **changes: TrainConfig(**{**SMALL_TRAINING, **changes})


@pytest.fixture
def start(home: Home) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the train step in a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_child(dataset: Path, out: Path, events: Path, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(Path(__file__).parent / "child.py"), str(dataset), str(out), str(events)]
        child = subprocess.Popen(command, env={**os.environ, **environment})
        started.append(child)
        return child

    yield start_child
    for child in started:
        child.kill()
        child.wait()
