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
from forebay.settings import TrainConfig
from forebay.state.events import read_events
from forebay.train.augmentation.augmentation import Augmentation
from forebay.train.loop.batches import TrainingBatches
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import resolve_settings
from forebay.train.process_group import ProcessGroup
from support.made_once import home_with
from support.prepared_datasets import SMALL_TRAINING
from support.watched_training import last_step, wait_for_step

# Sums of floats in another order differ in their last bits; over a hundred steps that grows to about 3e-6 of the
# largest weight.
TIGHT = 1e-4
# Between CPUs each process normalizes by its own rows, which is another training; it must be as good a one.
SAME_ACCURACY = 0.1


@dataclass
class Torchrun:
    """A state folder in which trainings go on, and torchrun on this machine."""

    root: Path
    dataset: Path

    @property
    def events(self) -> Path:
        return self.root / "events.jsonl"

    def start(self, processes: int, out: Path, **settings: Any) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
            "-m", "forebay.train.nodes.worker", str(self.dataset), str(out),
            json.dumps({**SMALL_TRAINING, "dropout": 0.0, "precision": "fp32", **settings}),
        ]  # fmt: skip
        environment = {"FOREBAY_HOME": str(self.root / "home"), "FOREBAY_EVENTS": str(self.events)}
        return subprocess.Popen(command, env={**os.environ, **environment})

    def train(self, processes: int, name: str, **settings: Any) -> Path:
        out = self.root / name
        assert self.start(processes, out, **settings).wait(timeout=1200) == 0
        return out


@pytest.fixture
def torchrun(tmp_path: Path, dataset: Path, mlflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> Torchrun:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home_with(mlflow_template, tmp_path / "home")
    return Torchrun(tmp_path, dataset)


def last_epoch(out: Path) -> dict[str, float]:
    return json.loads((out / "history.json").read_text())[-1]  # type: ignore[no-any-return]


def test_two_processes_get_the_weights_of_one_with_uneven_shares_class_weights_and_smoothing(
    torchrun: Torchrun,
) -> None:
    settings = {
        "model": "lenet5", "width": "auto", "batch_rows": "33", "class_weights": "balanced",
        "precision": "fp32", "optimizer": "sgd",  # adamw divides by gradients, and the last bits of small ones grow
        "epochs": "2",  # twenty steps: a last bit that is summed in another order grows with every further one
    }  # fmt: skip
    one, two = (torchrun.train(count, f"out-{count}", **settings) for count in (1, 2))
    expected, found = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=0, atol=TIGHT * float(tensor.abs().max())), name
    for curve in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "images"):
        assert last_epoch(two)[curve] == pytest.approx(last_epoch(one)[curve], rel=TIGHT), curve
    assert json.loads((two / "model.json").read_text())["training"]["processes"] == 2


def test_two_processes_train_the_members_of_one_process_one_after_the_other(torchrun: Torchrun) -> None:
    settings = {
        "model": "lenet5", "width": "auto", "optimizer": "sgd", "epochs": "1", "members": 2,
    }  # fmt: skip
    one, two = (torchrun.train(count, f"out-{count}", **settings) for count in (1, 2))
    expected, found = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    assert expected.keys() == found.keys()
    assert {name.partition(".")[0] for name in found} == {"0", "1"}
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=0, atol=TIGHT * float(tensor.abs().max())), name


def test_two_processes_get_the_weights_of_one_with_every_part_of_a_recipe(torchrun: Torchrun) -> None:
    settings = {
        "model": "lenet5", "width": "auto", "batch_rows": "33", "class_weights": "balanced", "optimizer": "sgd",
        "epochs": "2", "crop_scale": "0.5", "rotation": "10", "color_jitter": "0.3", "auto_augment": "randaugment",
        "erasing": "0.3", "mixup": "0.3", "cutmix": "1", "ema_decay": "0.8",
    }  # fmt: skip
    one, two = (torchrun.train(count, f"out-{count}", **settings) for count in (1, 2))
    expected, found = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=0, atol=TIGHT * float(tensor.abs().max())), name
    for curve in ("train_loss", "train_accuracy", "validation_loss"):
        assert last_epoch(two)[curve] == pytest.approx(last_epoch(one)[curve], rel=TIGHT), curve


def test_two_processes_fine_tune_as_one(torchrun: Torchrun, weights: Path) -> None:
    settings = {
        "weights": str(weights), "batch_rows": "33", "optimizer": "sgd", "epochs": "2", "head_epochs": "1",
        "layer_decay": "0.5",
    }  # fmt: skip
    one, two = (torchrun.train(count, f"out-{count}", **settings) for count in (1, 2))
    expected, found = load_file(one / "weights.safetensors"), load_file(two / "weights.safetensors")
    given = load_file(weights)
    assert any(not torch.equal(tensor, given[name]) for name, tensor in found.items() if tensor.ndim == 4)
    for name, tensor in expected.items():
        assert torch.allclose(tensor, found[name], rtol=0, atol=TIGHT * float(tensor.abs().max())), name


def test_with_batch_norm_two_processes_are_as_accurate_as_one(torchrun: Torchrun) -> None:
    one, two = (torchrun.train(count, f"out-{count}", early_stop_epochs=9) for count in (1, 2))
    for curve in ("train_accuracy", "validation_accuracy"):
        assert last_epoch(two)[curve] == pytest.approx(last_epoch(one)[curve], abs=SAME_ACCURACY), curve
    assert {name: tensor.shape for name, tensor in load_file(one / "weights.safetensors").items()} == {
        name: tensor.shape for name, tensor in load_file(two / "weights.safetensors").items()
    }


def test_sigterm_to_any_process_stops_all_at_one_step_and_both_go_on_to_the_same_bits(
    torchrun: Torchrun, tmp_path: Path, dataset: Path
) -> None:
    settings = {"epochs": "60"}
    undisturbed = Torchrun(tmp_path / "undisturbed", dataset)
    undisturbed.root.mkdir()
    whole = undisturbed.train(2, "out", **settings)
    stopped = torchrun.start(2, tmp_path / "out", **settings)
    wait_for_step(stopped, torchrun.events, 20)
    workers = psutil.Process(stopped.pid).children()
    (follower,) = [each for each in workers if each.environ().get("RANK") == "1"]
    follower.send_signal(signal.SIGTERM)
    assert stopped.wait(timeout=600) != 0
    assert not [each for each in workers if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    at, seen = last_step(torchrun.events), len(read_events(torchrun.events)[0])
    assert 20 <= at < 600
    assert max((tmp_path / "home" / "checkpoints").glob("*/step-*")).name >= f"step-{at:010d}"
    again = torchrun.train(2, "out", **settings)
    first = next(event for event in read_events(torchrun.events)[0][seen:] if event["kind"] == "progress")
    assert first["done"] > at
    assert (again / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


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
