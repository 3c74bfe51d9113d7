"""SIGTERM in the middle of a step that lasts for minutes: the process ends soon, and nothing that was done is lost."""

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from forebay.settings import TrainConfig
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from forebay.train import fit
from forebay.train.loop.state_lock import StateLock
from forebay.train.loop.training_state import TrainingState
from support.machine_speed import slowness
from support.made_once import home_with
from support.prepared_datasets import SMALL_TRAINING
from support.training_child import TrainingChild
from support.watched_training import FirstStep, last_step, wait_for_warning, warnings

Start = Callable[..., TrainingChild]
WITHIN_S = 5.0


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of the small training that nothing interrupted."""
    root = tmp_path_factory.mktemp("undisturbed")
    log = StepLog(name="train", run_id="", home=home_with(mlflow_template, root / "home"), events=root / "events.jsonl")
    fit(dataset, root / "out", TrainConfig(**SMALL_TRAINING), log)
    return root / "out"


@pytest.mark.parametrize(
    ("place", "at", "steps_kept", "number"),  # eight batch norms a step, ten steps an epoch
    [
        ("step", 8 * 33 + 3, 33, signal.SIGTERM),
        ("step", 1, 0, signal.SIGINT),
        ("validation", 1, 10, signal.SIGTERM),
    ],
)
def test_the_process_ends_within_five_seconds_and_the_next_one_ends_bit_equal(
    dataset: Path, home: Home, start: Start, tmp_path: Path, undisturbed: Path,
    place: str, at: int, steps_kept: int, number: signal.Signals,
) -> None:  # fmt: skip
    events = tmp_path / "events.jsonl"
    child = start(dataset, tmp_path / "out", events, LASTS_IN=place, LASTS_AT=str(at))
    wait_for_warning(child, events)
    began = time.monotonic()
    child.send_signal(number)
    assert child.wait() == 128 + number
    waiting_for_a_core = max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
    assert time.monotonic() - began < WITHIN_S * waiting_for_a_core * slowness()
    last = read_events(events)[0][-1]
    assert (last["kind"], last["error"], last["permanent"]) == ("failed", f"ended by {number.name}", False)
    if steps_kept:
        assert last_step(events) == steps_kept

    log = FirstStep(name="train", run_id="", home=home, events=tmp_path / "again.jsonl")
    fit(dataset, tmp_path / "out", TrainConfig(**SMALL_TRAINING), log)
    assert log.first == steps_kept + 1
    assert warnings(log) == []
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == (undisturbed / "weights.safetensors").read_bytes()
    curves = [json.loads((folder / "history.json").read_text()) for folder in (tmp_path / "out", undisturbed)]
    for found, wanted in zip(*curves, strict=True):
        for curve in ("epoch", "learning_rate", "train_loss", "train_accuracy", "validation_loss"):
            assert found[curve] == wanted[curve], curve


def test_what_another_thread_saves_in_a_step_is_the_state_before_it() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    state = TrainingState(network, torch.optim.SGD(network.parameters(), lr=1.0), sums=torch.zeros(2).double())
    lock = StateLock(network)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    lock.begin_step()
    network(torch.rand(5, 3)).sum().backward()
    with lock.held():
        saved = lock.tensors(state)
    assert saved.keys() == before.keys()
    assert all(torch.equal(saved[name], before[name]) for name in before)
    with lock.finish_step():
        state.optimizer.step()
    assert not torch.equal(lock.tensors(state)["network.0.weight"], before["network.0.weight"])
    assert lock.tensors(state)["network.1.num_batches_tracked"] == 1


def test_the_step_of_the_optimizer_is_waited_for_and_none_follows_what_was_saved() -> None:
    lock = StateLock(nn.Linear(1, 1))
    with ThreadPoolExecutor(1) as other, lock.finish_step():
        assert not other.submit(lock.acquire_for_good, 0).result()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lock.acquire_for_good, 0).result()
    assert not lock.acquire_for_good(0), "the main thread's next step would wait for good"
