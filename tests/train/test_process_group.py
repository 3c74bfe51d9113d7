"""Several processes on one machine, started by torchrun over loopback, train what one process trains."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import TrainError
from forebay.models import load_bundle
from forebay.settings import TrainConfig
from forebay.state import StepLog
from forebay.state.events import read_events
from forebay.train import fit
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.loop.batches import TrainingBatches
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import resolve_settings
from forebay.train.process_group import ProcessGroup
from support.made_once import home_with
from support.own_networks import own_settings
from support.paths import ROOT
from support.prepared_datasets import SMALL_TRAINING
from support.watched_training import last_step, wait_for_step

# Sums of floats in another order differ in their last bits; over a hundred steps that grows to about 3e-6 of the
# largest weight.
TIGHT = 1e-4
# Between CPUs each process normalizes by its own rows, which is another training; it must be as good a one.
SAME_ACCURACY = 0.1


CASES: dict[str, dict[str, Any]] = {
    "uneven shares, class weights and smoothing": {
        "model": "lenet5", "width": "auto", "batch_rows": "33", "class_weights": "balanced",
        "optimizer": "sgd",  # adamw divides by gradients, and the last bits of small ones grow
        "epochs": "2",  # twenty steps: a last bit that is summed in another order grows with every further one
    },
    "members": {"model": "lenet5", "width": "auto", "optimizer": "sgd", "epochs": "1", "members": 2},
    "every part of a recipe": {
        "model": "lenet5", "width": "auto", "batch_rows": "33", "class_weights": "balanced", "optimizer": "sgd",
        "epochs": "2", "crop_scale": "0.5", "rotation": "10", "color_jitter": "0.3", "auto_augment": "randaugment",
        "erasing": "0.3", "mixup": "0.3", "cutmix": "1", "ema_decay": "0.8",
    },
    "fine-tuning": {
        "batch_rows": "33", "optimizer": "sgd", "epochs": "2", "head_epochs": "1", "layer_decay": "0.5",
    },
    "batch norm": {"early_stop_epochs": 9},
}  # fmt: skip
LONG = {"epochs": "30"}  # long enough to be stopped in the middle


@dataclass
class Torchrun:
    """A state folder in which trainings go on, and torchrun on this machine."""

    root: Path
    dataset: Path

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Two processes that train."""
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *words]
        environment = {
            **os.environ, "FOREBAY_HOME": str(self.root / "home"), "FOREBAY_EVENTS": str(self.events),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }  # fmt: skip
        return subprocess.Popen(command, env=environment)

    def start_worker(self, out: Path, **settings: Any) -> subprocess.Popen[bytes]:
        """Two processes of the program that a TrainJob runs."""
        words = (str(self.dataset), str(out), json.dumps(all_settings(settings)))
        return self.start("-m", "forebay.train.nodes.worker", *words)


def all_settings(changes: dict[str, Any]) -> dict[str, Any]:
    return {**SMALL_TRAINING, "dropout": 0.0, "precision": "fp32", **changes}


@pytest.fixture
def torchrun(tmp_path: Path, dataset: Path, mlflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> Torchrun:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home_with(mlflow_template, tmp_path / "home")
    return Torchrun(tmp_path, dataset)


@pytest.fixture(scope="module")
def cases(weights: Path) -> dict[str, dict[str, Any]]:
    """The settings of each case."""
    return {name: all_settings(CASES[name]) for name in CASES} | {
        "fine-tuning": all_settings({**CASES["fine-tuning"], "weights": str(weights)}),
        "own network": own_settings(),
        "long": all_settings(LONG),
    }


@pytest.fixture(scope="module")
def two(
    cases: dict[str, dict[str, Any]], dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with what two processes made of every case, by its name."""
    root = tmp_path_factory.mktemp("two")
    home_with(mlflow_template, root / "home")
    program = str(ROOT / "tests" / "support" / "trainings_of_a_group.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        process = Torchrun(root, dataset).start(program, str(dataset), str(root), json.dumps(cases))
    assert process.wait(timeout=1200) == 0
    return root


@pytest.fixture
def one(cases: dict[str, dict[str, Any]], dataset: Path, steplog: StepLog, tmp_path: Path) -> Callable[[str], Path]:
    """Trains a case in this process; returns the folder."""

    def train(name: str) -> Path:
        fit(dataset, tmp_path / "one", TrainConfig(**cases[name]), steplog)
        return tmp_path / "one"

    return train


def last_epoch(out: Path) -> dict[str, float]:
    return json.loads((out / "history.json").read_text())[-1]  # type: ignore[no-any-return]


def assert_same_weights(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=0, atol=TIGHT * float(tensor.abs().max())), name


@pytest.mark.parametrize("name", ["uneven shares, class weights and smoothing", "every part of a recipe"])
def test_two_processes_get_the_weights_and_curves_of_one(name: str, one: Callable[[str], Path], two: Path) -> None:
    alone, together = one(name), two / name
    assert_same_weights(load_file(alone / "weights.safetensors"), load_file(together / "weights.safetensors"))
    for curve in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "images"):
        assert last_epoch(together)[curve] == pytest.approx(last_epoch(alone)[curve], rel=TIGHT), curve
    assert json.loads((together / "model.json").read_text())["training"]["processes"] == 2


def test_two_processes_train_the_members_of_one_process_one_after_the_other(
    one: Callable[[str], Path], two: Path
) -> None:
    found = load_file(two / "members" / "weights.safetensors")
    assert_same_weights(load_file(one("members") / "weights.safetensors"), found)
    assert {name.partition(".")[0] for name in found} == {"0", "1"}


def test_two_processes_fine_tune_as_one(one: Callable[[str], Path], two: Path, weights: Path) -> None:
    found, given = load_file(two / "fine-tuning" / "weights.safetensors"), load_file(weights)
    assert any(not torch.equal(tensor, given[name]) for name, tensor in found.items() if tensor.ndim == 4)
    assert_same_weights(load_file(one("fine-tuning") / "weights.safetensors"), found)


def test_with_batch_norm_two_processes_are_as_accurate_as_one(one: Callable[[str], Path], two: Path) -> None:
    alone, together = one("batch norm"), two / "batch norm"
    for curve in ("train_accuracy", "validation_accuracy"):
        assert last_epoch(together)[curve] == pytest.approx(last_epoch(alone)[curve], abs=SAME_ACCURACY), curve
    assert {name: tensor.shape for name, tensor in load_file(alone / "weights.safetensors").items()} == {
        name: tensor.shape for name, tensor in load_file(together / "weights.safetensors").items()
    }


def test_two_processes_train_a_network_of_the_users_together(two: Path) -> None:
    assert load_bundle(two / "own network").spec.training["processes"] == 2


def test_sigterm_to_any_process_stops_all_at_one_step_and_both_go_on_to_the_same_bits(
    torchrun: Torchrun, tmp_path: Path, two: Path
) -> None:
    stopped = torchrun.start_worker(tmp_path / "out", **LONG)
    wait_for_step(stopped, torchrun.events, 20)
    workers = psutil.Process(stopped.pid).children()
    (follower,) = [each for each in workers if each.environ().get("RANK") == "1"]
    follower.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=600) != 0
    assert not [each for each in workers if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    at, seen = last_step(torchrun.events), len(read_events(torchrun.events)[0])
    assert 20 <= at < 300
    assert max((tmp_path / "home" / "checkpoints").glob("*/step-*")).name >= f"step-{at:010d}"
    assert torchrun.start_worker(tmp_path / "out", **LONG).wait(timeout=1200) == 0
    first = next(event for event in read_events(torchrun.events)[0][seen:] if event["kind"] == "progress")
    assert first["done"] > at
    whole = two / "long" / "weights.safetensors"
    assert (tmp_path / "out" / "weights.safetensors").read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(("size", "rows"), [(2, 32), (2, 33), (3, 32), (5, 7)])
def test_every_row_is_changed_alike_whichever_process_takes_it(dataset: Path, size: int, rows: int) -> None:
    split = open_split(dataset, SplitManifest.read(dataset), "train")
    batches = TrainingBatches(split, rows, seed=0, augmentation=Augmentation(augment="shift_flip"), device="cpu")
    taken = np.arange(rows)
    torch.manual_seed(1)
    whole = batches.batch(taken)
    parts = []
    for rank in range(size):
        torch.manual_seed(1)
        parts.append(batches.batch(taken, ProcessGroup(rank, size).rank_slice(rows)))
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    shares = [part.targets.labels for part in parts]
    assert torch.equal(torch.cat(shares), whole.targets.labels)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_batches_too_small_to_share_are_refused(dataset: Path, small: Callable[..., TrainConfig]) -> None:
    with pytest.raises(TrainError, match=r"train\.batch_rows is 32, and 17 processes .* Set train\.batch_rows=34 or"):
        resolve_settings(small(), SplitManifest.read(dataset), inspect_hardware(), processes=17)


def test_what_fails_the_same_way_again_ends_with_a_status_of_its_own(torchrun: Torchrun) -> None:
    command = [sys.executable, "-m", "forebay.train.nodes", str(torchrun.dataset), str(torchrun.root / "out")]
    environment = {
        **os.environ, "FOREBAY_HOME": str(torchrun.root / "home"), "PET_NNODES": "1", "PET_NPROC_PER_NODE": "2",
        "PET_STANDALONE": "1",
    }  # fmt: skip
    settings = json.dumps({**SMALL_TRAINING, "model": "lenet5"})  # lenet5 has no width
    ended = subprocess.run([*command, settings], env=environment, capture_output=True, text=True, timeout=600)
    assert "train.width is 4, but lenet5 has no such setting" in ended.stdout + ended.stderr
    assert ended.returncode == 65
