"""Which weights a training begins with follows from settings and manifest alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from forebay.contracts.manifest import SplitManifest
from forebay.errors import ConfigError
from forebay.settings import TrainConfig
from forebay.state import Home
from forebay.train import first_weights as first_weights_module
from forebay.train.first_weights import find_first_weights
from forebay.train.plan.pretrained_rule import EMBEDDED_MODEL, NONE, WeightsChoice, choose_weights
from forebay.weights import EMBEDDED_NAME


def chosen(dataset: Path, rows: int, size: tuple[int, int, int], **settings: str) -> WeightsChoice:
    return choose_weights(TrainConfig(**settings), manifest(dataset, rows, size), embedded_installed=True)


def manifest(dataset: Path, rows: int, size: tuple[int, int, int]) -> SplitManifest:
    height, width, channels = size
    splits = {"train": rows, "validation": 40, "test": 30}
    return replace(SplitManifest.read(dataset), height=height, width=width, channels=channels, splits=splits)


@pytest.mark.parametrize(
    ("rows", "size", "reason"),
    [
        (1_440, (8, 8, 1), "grey"),  # digits
        (42_613, (32, 32, 3), "enough to learn from scratch"),  # CIFAR-10
        (5_001, (64, 48, 3), "enough to learn from scratch"),
        (300, (16, 40, 3), "too small"),
        (300, (128, 128, 1), "grey"),
    ],
)
def test_from_scratch_where_the_embedded_backbone_does_not_win(
    dataset: Path, rows: int, size: tuple[int, int, int], reason: str
) -> None:
    choice = chosen(dataset, rows, size)
    assert (choice.weights, choice.model) == (NONE, "auto")
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("rows", "size"), [(421, (32, 32, 3)), (5_000, (64, 48, 3)), (410, (224, 224, 3)), (90_000, (224, 224, 3))]
)
def test_the_embedded_backbone_for_few_small_colour_pictures_and_for_larger_ones(
    dataset: Path, rows: int, size: tuple[int, int, int]
) -> None:
    choice = chosen(dataset, rows, size)
    assert (choice.weights, choice.model) == (EMBEDDED_NAME, EMBEDDED_MODEL)
    assert f"{rows} training rows" in choice.reason


@pytest.mark.parametrize("settings", [{"model": "resnet9"}, {"model": "resnet18"}, {"width": "8"}, {"weights": "none"}])
def test_a_setting_that_asks_for_another_network_or_for_none_wins(dataset: Path, settings: dict[str, str]) -> None:
    assert chosen(dataset, 421, (32, 32, 3), **settings).weights == NONE


def test_named_weights_are_taken_for_any_data(dataset: Path) -> None:
    assert chosen(dataset, 1_440, (8, 8, 1), weights=EMBEDDED_NAME).model == EMBEDDED_MODEL
    assert chosen(dataset, 42_613, (32, 32, 3), weights="w.safetensors", model="resnet9").weights == "w.safetensors"


@pytest.mark.parametrize(
    ("weights", "model"),
    [("published", EMBEDDED_MODEL), ("resnet18.a1_in1k", "timm/resnet18"), ("models:/digits@champion", "auto"),
     ("w.safetensors", "auto"), ("s3://weights/w.safetensors", "auto")],
)  # fmt: skip
def test_the_name_of_published_weights_tells_the_network(dataset: Path, weights: str, model: str) -> None:
    assert chosen(dataset, 421, (32, 32, 3), weights=weights).model == model


def test_without_the_package_auto_begins_from_scratch_and_says_so(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_weights_module, "is_installed", lambda: False)
    warnings: list[str] = []
    few, digits = manifest(dataset, 421, (32, 32, 3)), manifest(dataset, 1_440, (8, 8, 1))
    assert find_first_weights(TrainConfig(), few, Home(tmp_path), warnings.append).pretrained is None
    assert find_first_weights(TrainConfig(), digits, Home(tmp_path), warnings.append).pretrained is None
    (warning,) = warnings
    assert "install forebay[timm]" in warning


@pytest.mark.parametrize(
    ("key", "value"), [("weights", " "), ("weights_sha256", "abc"), ("input_size", "0x8"), ("layer_decay", "0")]
)
def test_impossible_values_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"train.{key}"):
        TrainConfig(**{key: value})
