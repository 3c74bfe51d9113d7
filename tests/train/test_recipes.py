"""Presets, what wins over them, what is refused, and what the parts change in a training."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import TrainError
from forebay.models import load_bundle
from forebay.settings import TrainConfig
from forebay.state import StepLog
from forebay.train import TrainResult, fit
from forebay.train.loop.weight_average import WeightAverage
from forebay.train.plan.hardware import HardwareInfo
from forebay.train.plan.recipes import RECIPES, averaging_decay
from forebay.train.plan.resolved_settings import ResolvedSettings, resolve_settings
from support.prepared_datasets import write_dataset
from support.watched_training import StopAt

PLAIN = HardwareInfo(device="cpu", device_name="x86_64", cpu_flags=("avx2",), cores=2, bf16=False, torch="2.13.0")
OFF = {
    "crop_scale": 1.0, "rotation": 0.0, "color_jitter": 0.0, "auto_augment": "none", "erasing": 0.0, "mixup": 0.0,
    "cutmix": 0.0, "ema_decay": 0.0,
}  # fmt: skip
EVERYTHING = {
    "augment": "shift_flip", "crop_scale": "0.5", "rotation": "10", "color_jitter": "0.3",
    "auto_augment": "trivialaugment", "erasing": "0.3", "mixup": "0.3", "cutmix": "1", "ema_decay": "0.9",
    "warmup": "0.1", "class_weights": "balanced",
}  # fmt: skip
Small = Callable[..., TrainConfig]


def resolved(dataset: Path, *, size: tuple[int, int, int] = (32, 32, 3), **settings: Any) -> ResolvedSettings:
    height, width, channels = size
    splits = {"train": 2000, "validation": 40, "test": 30}
    data = replace(SplitManifest.read(dataset), height=height, width=width, channels=channels, splits=splits)
    return resolve_settings(TrainConfig(**settings), data, PLAIN)


def parts(settings: ResolvedSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in OFF}


@pytest.mark.parametrize("size", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (224, 224, 3)])
@pytest.mark.parametrize("recipe", ["auto", "small"])
def test_by_default_every_part_is_off(dataset: Path, size: tuple[int, int, int], recipe: str) -> None:
    settings = resolved(dataset, size=size, recipe=recipe)
    assert parts(settings) == OFF
    assert (settings.recipe, settings.warmup) == ("small", 0.2)


@pytest.mark.parametrize("recipe", ["standard", "strong"])
def test_a_preset_sets_its_parts_and_a_setting_given_by_hand_wins(dataset: Path, recipe: str) -> None:
    settings = resolved(dataset, recipe=recipe)
    assert settings.crop_scale == RECIPES[recipe].crop_scale < 1
    assert settings.ema_decay == averaging_decay(settings.epochs * (2000 // settings.batch_rows)) > 0.9
    given = resolved(dataset, recipe=recipe, crop_scale="1", erasing="0.7", ema_decay="0", auto_augment="none")
    assert (given.crop_scale, given.erasing, given.ema_decay, given.auto_augment) == (1, 0.7, 0, "none")
    assert given.mixup == RECIPES[recipe].mixup


def test_in_tiny_images_a_preset_neither_moves_nor_covers_pixels_unless_asked_to(dataset: Path) -> None:
    tiny = resolved(dataset, size=(8, 8, 1), recipe="strong")
    assert parts(tiny) == {**OFF, "mixup": RECIPES["strong"].mixup, "ema_decay": tiny.ema_decay}
    assert resolved(dataset, size=(8, 8, 1), recipe="strong", erasing="0.2").erasing == 0.2


def test_warmup_follows_the_schedule(dataset: Path) -> None:
    assert resolved(dataset, schedule="cosine").warmup == 0
    assert resolved(dataset, schedule="cosine", warmup="0.05").warmup == 0.05


def test_an_average_over_more_steps_than_there_are_is_refused(dataset: Path) -> None:
    with pytest.raises(
        TrainError, match=r"ema_decay=0\.999 averages .* some 1000 steps, .* has 62 in all. Set .*=0\.9,"
    ):
        resolved(dataset, ema_decay="0.999", epochs="2", batch_rows="64")
    assert resolved(dataset, ema_decay="0.9", epochs="2", batch_rows="64").ema_decay == 0.9


@pytest.mark.parametrize("mixing", [{"mixup": "0.2"}, {"cutmix": "1"}])
def test_mixing_needs_a_second_row(dataset: Path, mixing: dict[str, str]) -> None:
    with pytest.raises(TrainError, match=r"train\.batch_rows is 1, and train\.mixup and train\.cutmix mix the rows"):
        resolved(dataset, batch_rows="1", **mixing)


def test_the_average_follows_the_weights_and_the_running_statistics_by_its_decay() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = WeightAverage(network, 0.9)
    linear, norm = network
    with torch.no_grad():
        linear.weight.fill_(1.0)
        norm.running_mean.fill_(5.0)
        norm.num_batches_tracked.fill_(7)
    before = average.network[0].weight.clone()
    average.update(network, step=1000)
    assert torch.allclose(average.network[0].weight, 0.9 * before + 0.1)
    assert torch.allclose(average.network[1].running_mean, torch.full((2,), 0.5))
    assert int(average.network[1].num_batches_tracked) == 7
    average.update(network, step=0)  # an early step keeps a tenth
    assert torch.allclose(average.network[0].weight, 0.1 * (0.9 * before + 0.1) + 0.9)


def test_weights_that_two_layers_share_are_averaged_once() -> None:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    network[1].weight = network[0].weight
    average = WeightAverage(network, 0.9)
    before = average.network[0].weight.clone()
    with torch.no_grad():
        network[0].weight.fill_(1.0)
    average.update(network, step=1000)
    assert torch.allclose(average.network[1].weight, 0.9 * before + 0.1)


@pytest.fixture
def train(dataset: Path, tmp_path: Path, steplog: StepLog, small: Small) -> Callable[..., TrainResult]:
    """Train with changed settings, without a checkpoint from before."""
    steplog.fresh = True
    return lambda out="out", **changes: fit(dataset, tmp_path / out, small(**{"epochs": "3", **changes}), steplog)


def test_the_averaged_weights_are_those_that_are_validated_delivered_and_kept(
    dataset: Path, tmp_path: Path, train: Callable[..., TrainResult], steplog: StepLog
) -> None:
    result = train(ema_decay="0.9", precision="fp32")
    plain = load_file(tmp_path / "out" / "weights.safetensors")
    (newest,) = (max(folder.glob("step-*")) for folder in steplog.home.checkpoints.iterdir())
    kept = load_file(newest)
    for name, tensor in plain.items():
        assert torch.equal(tensor, kept[f"average.{name}"])
    assert any(not torch.equal(plain[name], kept[f"network.{name}"]) for name in plain)
    split = open_split(dataset, SplitManifest.read(dataset), "validation")
    predicted = load_bundle(tmp_path / "out").predict(split.images_NHWC()).argmax(1)
    assert (predicted == split.labels).mean() == pytest.approx(result.metrics["validation_accuracy"])


def test_drop_path_changes_a_training_of_a_model_that_has_it_and_not_its_bundle(
    tmp_path: Path, train: Callable[..., TrainResult]
) -> None:
    settings = {"model": "timm/test_resnet", "width": "auto", "epochs": "1", "precision": "fp32"}
    result = train(**settings, drop_path="0.5")
    assert result.spec.weights_sha256 != train(**settings).spec.weights_sha256
    assert "drop_path" not in result.spec.options
    assert result.spec.training["drop_path"] == 0.5
    assert len(load_bundle(tmp_path / "out").predict(np.zeros((2, 8, 8, 1), np.uint8))) == 2


@pytest.mark.parametrize("part", [name for name in EVERYTHING if name not in ("class_weights", "augment")])
def test_each_part_alone_changes_the_weights_and_the_same_seed_repeats_them(
    part: str, train: Callable[..., TrainResult]
) -> None:
    changed = {part: EVERYTHING[part], "epochs": "2"}
    weights = train(**changed).spec.weights_sha256
    assert weights == train(**changed).spec.weights_sha256
    assert weights != train(epochs="2").spec.weights_sha256


@pytest.mark.parametrize("size", [(16, 16, 3), (8, 8, 1)])
def test_with_everything_on_a_training_stopped_within_an_epoch_goes_on_bit_equal(
    size: tuple[int, int, int], tmp_path: Path, small: Small, steplog: StepLog
) -> None:
    data = write_dataset(tmp_path / "data", train=100, size=size)
    config = small(**EVERYTHING, epochs="5", batch_rows="20", early_stop_epochs=4)
    stopping = StopAt(name="train", run_id="", home=steplog.home, events=steplog.events)
    stopping.at = 13  # the third step of the third epoch
    with pytest.raises(SystemExit):
        fit(data, tmp_path / "stopped", config, stopping)
    resumed = fit(data, tmp_path / "resumed", config, steplog)
    steplog.fresh = True
    whole = fit(data, tmp_path / "whole", config, steplog)
    assert resumed.spec.weights_sha256 == whole.spec.weights_sha256
    curves = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("resumed", "whole")]
    for one, other in zip(*curves, strict=True):
        assert {k: v for k, v in one.items() if k not in ("images", "seconds")} == {
            k: v for k, v in other.items() if k not in ("images", "seconds")
        }
