"""Training that begins with pretrained weights: first the last layer, then all, with the bits of an undisturbed one."""

import json
import signal
from collections.abc import Callable
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
from forebay.models import build, load_bundle
from forebay.settings import TrainConfig
from forebay.state import Home, StepLog
from forebay.state.events import read_events
from forebay.train import fit
from forebay.train.loop.fine_tuning import FineTuning, layer_numbers
from forebay.train.loop.training_state import initial_state
from forebay.train.plan.fine_tuning import FirstWeights
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.pretrained_rule import WeightsChoice
from forebay.train.plan.resolved_settings import resolve_settings
from forebay.weights import EMBEDDED_ARCHITECTURE, find_weights
from support.prepared_datasets import write_dataset
from support.training_child import TrainingChild
from support.watched_training import wait_for_step

Start = Callable[..., TrainingChild]
Small = Callable[..., TrainConfig]
TUNING: dict[str, Any] = {"epochs": "5", "head_epochs": "2", "layer_decay": "0.5"}  # ten steps an epoch


def bundle(home: Home, dataset: Path, out: Path, config: TrainConfig) -> Path:
    fit(dataset, out, config, StepLog(name="train", run_id="", home=home, events=out.with_suffix(".jsonl")))
    return out


def test_the_head_learns_first_and_the_early_layers_least(
    home: Home, dataset: Path, tmp_path: Path, small: Small, weights: Path
) -> None:
    given = load_file(weights)
    heads = bundle(home, dataset, tmp_path / "heads", small(weights=str(weights), epochs="1", head_epochs="1"))
    spec, head_only = json.loads((heads / "model.json").read_text()), load_file(heads / "weights.safetensors")
    changed = [name for name, tensor in head_only.items() if not torch.equal(tensor, given[name])]
    assert changed, "the last layer"
    assert {head_only[name].shape[0] for name in changed} == {3}, "nothing else changed, batch norm's numbers included"
    assert spec["training"]["weights"] == str(weights)
    assert len(spec["training"]["weights_sha256"]) == 64

    tuned = bundle(home, dataset, tmp_path / "tuned", small(weights=str(weights), **TUNING))
    moved = load_file(tuned / "weights.safetensors")
    norms = [name for name in given if "running" in name]
    assert norms
    assert all(torch.equal(moved[name], given[name]) for name in norms)
    free = load_file(
        bundle(home, dataset, tmp_path / "free", small(weights=str(weights), **TUNING | {"layer_decay": "1"}))
        / "weights.safetensors"
    )
    first = next(name for name, tensor in given.items() if tensor.ndim == 4)
    assert 0 < 5 * float((moved[first] - given[first]).abs().mean()) < float((free[first] - given[first]).abs().mean())


@pytest.mark.parametrize("moments", [(13, 27, 41)], ids=["in the head's epochs, and twice when all layers learn"])
def test_killed_in_either_phase_it_ends_bit_equal(
    home: Home, dataset: Path, start: Start, tmp_path: Path, small: Small, weights: Path, moments: tuple[int, ...]
) -> None:
    changes = {**TUNING, "weights": str(weights)}
    for moment in moments:
        events = tmp_path / f"events-{moment}.jsonl"
        child = start(dataset, tmp_path / "out", events, CHANGES=json.dumps(changes))
        wait_for_step(child, events, moment)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    out = bundle(home, dataset, tmp_path / "out", small(**changes))
    whole = Home(tmp_path / "whole").open()
    expected = bundle(whole, dataset, tmp_path / "expected", small(**changes))
    assert (out / "weights.safetensors").read_bytes() == (expected / "weights.safetensors").read_bytes()
    rates = [record["learning_rate"] for record in json.loads((out / "history.json").read_text())]
    assert rates[1] < min(rates[0], rates[2]), "each phase has a schedule of its own"


@pytest.mark.parametrize(("setting", "value"), [("head_epochs", "1"), ("layer_decay", "0.5")])
def test_what_only_pretrained_weights_have_is_refused_without_them(
    home: Home, dataset: Path, tmp_path: Path, small: Small, setting: str, value: str
) -> None:
    with pytest.raises(TrainError, match=f"train.{setting} is {value}, but the training begins with random weights"):
        bundle(home, dataset, tmp_path / "out", small(**{setting: value}))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 training rows of 24x24 in colour."""
    return write_dataset(tmp_path_factory.mktemp("photos") / "photos", train=64, validation=8, size=(24, 24, 3))


def test_colour_pictures_get_the_embedded_backbone_and_their_bundle_answers_as_torch_by_hand(
    home: Home, photos: Path, tmp_path: Path
) -> None:
    config = TrainConfig(epochs="2", head_epochs="1", input_size="32x40", threads="1", batch_rows="16")
    out = bundle(home, photos, tmp_path / "out", config)
    classifier = load_bundle(out)
    spec = classifier.spec
    assert (spec.library, spec.architecture, spec.resize) == ("timm", EMBEDDED_ARCHITECTURE, [32, 40])
    assert (spec.mean, spec.std, spec.interpolation) == ([0.5] * 3, [0.5] * 3, "bilinear")
    assert (spec.height, spec.width) == (24, 24), "what is stored and sent"
    assert "colour" in spec.training["weights_reason"]
    images_NHWC = classifier.examples_NHWC
    network = build(EMBEDDED_ARCHITECTURE, {}, 3, 32, 40, 3, library="timm").eval()
    network.load_state_dict(load_file(out / "weights.safetensors"))
    pixels = (torch.from_numpy(images_NHWC).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    seen = nn.functional.interpolate(pixels, (32, 40), mode="bilinear", antialias=True)
    with torch.inference_mode():
        expected = network(seen).softmax(1).numpy()
    np.testing.assert_allclose(classifier.predict(images_NHWC), expected, atol=1e-5)


def test_grey_pictures_take_the_backbone_on_request(home: Home, dataset: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        weights="published", model=f"timm/{EMBEDDED_ARCHITECTURE}", epochs="1", input_size="32x32", threads="1",
        batch_rows="64", label_smoothing=0.0,
    )  # fmt: skip
    spec = load_bundle(bundle(home, dataset, tmp_path / "out", config)).spec
    assert (spec.channels, spec.mean, spec.training["head_epochs"]) == (1, [0.5], 0)
    results = [event for event in read_events(tmp_path / "out.jsonl")[0] if event["kind"] == "result"]
    assert results[-1]["training"]["settings"]["weights"].startswith("the package")


def test_stages_are_the_layers_of_the_learning_rate_and_norms_belong_to_what_is_before_them() -> None:
    with torch.device("meta"):
        network = build(EMBEDDED_ARCHITECTURE, {}, 3, 64, 64, 3, library="timm")
    fresh = FineTuning.of(network, []).fresh
    numbers = layer_numbers(network, fresh)
    assert fresh == {"classifier.weight", "classifier.bias"}
    assert [numbers[name] for name in ("classifier.bias", "conv_head.weight", "bn2.weight", "bn2.bias")] == [0, 1, 1, 1]
    assert [numbers[f"blocks.{stage}.0.conv_pw.weight"] for stage in (6, 5, 1)] == [2, 3, 7]
    assert numbers["conv_stem.weight"] == numbers["bn1.weight"] == 9


def test_a_last_layer_without_weights_begins_small() -> None:
    torch.manual_seed(0)
    network = build(EMBEDDED_ARCHITECTURE, {}, 3, 64, 64, 3, library="timm")
    FineTuning.of(network, ["classifier.weight", "classifier.bias"])
    assert float(network.get_parameter("classifier.weight").detach().abs().max()) <= 1280**-0.5


def test_the_rate_of_each_group_falls_with_its_layer(dataset: Path, weights: Path, tmp_path: Path) -> None:
    data = SplitManifest.read(dataset)
    pretrained = find_weights(str(weights), "resnet9", home=Home(tmp_path))
    found = FirstWeights(choice=WeightsChoice(weights=str(weights), model="resnet9", reason=""), pretrained=pretrained)
    config = TrainConfig(model="resnet9", width="4", layer_decay="0.5")
    settings = resolve_settings(config, data, inspect_hardware(), first_weights=found)
    state = initial_state(settings, data, open_split(dataset, data, "train"), pretrained=pretrained)
    scales = [group["scale"] for group in state.optimizer.param_groups]
    assert scales[0] == 1.0
    assert sorted(set(scales), reverse=True) == [0.5**number for number in range(len(set(scales)))]
