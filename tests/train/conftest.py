"""Fixtures of the train tests: a small dataset, and a step that trains on it in a child process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from forebay.models import build
from forebay.state import Home
from support.small_trainings import dataset, home, small
from support.training_child import TrainingChild

__all__ = ["dataset", "home", "small"]  # fixtures


@pytest.fixture
def start(home: Home) -> Iterator[Callable[..., TrainingChild]]:
    """Start the train step in a process of its own; what still runs at the end is killed."""
    started: list[TrainingChild] = []

    def start_child(dataset: Path, out: Path, events: Path, **environment: str) -> TrainingChild:
        child = TrainingChild(dataset, out, events, {**os.environ, **environment})
        started.append(child)
        return child

    yield start_child
    for child in started:
        child.kill()
        child.wait()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small resnet9 that tells seven classes apart."""
    torch.manual_seed(5)
    options = {"width": 4, "mirror": False, "whiten": False, "dropout": 0.1}
    path = tmp_path_factory.mktemp("weights") / "seven.safetensors"
    save_file(build("resnet9", options, 1, 8, 8, 7).state_dict(), path)
    return path
