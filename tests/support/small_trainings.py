"""A small dataset, settings that train on it within a second, and a state folder that is made already."""

import shutil
from collections.abc import Callable
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
