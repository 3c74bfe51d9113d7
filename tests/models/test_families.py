"""Every family of the catalogue, from an optimizer step to an answer of the server, for grey and colour pictures."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from model_families import FAMILIES, Family

from forebay.contracts.bundles.spec import ModelSpec
from forebay.models import build, load_bundle, save_bundle, standardize
from forebay.models.architectures import library_version
from forebay.models.classifier import NetworkClassifier
from forebay.models.layers import first_convolution, last_layers
from forebay.settings.model_names import find_model
from support.tiny_inference_server import RunningServer, server_process

CLASSES = ["a", "b", "c"]
CASES = [(family, channels) for family in FAMILIES for channels in (1, 3)]
NAMES = [f"{family.name}-{'grey' if channels == 1 else 'colour'}" for family, channels in CASES]


@dataclass
class Trained:
    """What one network did before its bundle was served."""

    images: np.ndarray  # uint8 (N, H, W, C)
    answer: np.ndarray  # of the network that was trained
    answer_of_bundle: np.ndarray
    moved: dict[str, float]  # largest change of a weight by the step: of the first and the last layer


def train_and_save(family: Family, channels: int, folder: Path) -> Trained:
    """One step of SGD, then the bundle; it is loaded here as the server will."""
    torch.manual_seed(0)
    found = find_model(family.name)
    assert found
    network = build(family.name, {}, channels, family.side, family.side, len(CLASSES))
    images = np.random.default_rng(0).integers(0, 256, (2, family.side, family.side, channels), np.uint8)
    spec = ModelSpec(
        library=found.library, library_version=library_version(found.library), architecture=found.architecture,
        options={}, classes=CLASSES, height=family.side, width=family.side, channels=channels,
        mean=[0.5] * channels, std=[0.25] * channels, weights_sha256="",
    )  # fmt: skip
    first = first_convolution(network)
    assert first is not None
    watched = {"first": first[1].weight, "last": next(iter(last_layers(network).values())).weight}
    before = {place: weight.detach().clone() for place, weight in watched.items()}
    pixels = standardize(torch.tensor(images).permute(0, 3, 1, 2), spec.mean, spec.std)
    loss = torch.nn.functional.cross_entropy(network.train()(pixels), torch.tensor([0, 1]))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    torch.optim.SGD(network.parameters(), 1e-2).step()
    moved = {place: float((weight.detach() - before[place]).abs().max()) for place, weight in watched.items()}
    written = save_bundle(folder, spec, network.state_dict())
    answer = NetworkClassifier(written, network).predict(images)
    return Trained(images, answer, load_bundle(folder).predict(images), moved)


@pytest.fixture(scope="module")
def bundles() -> Iterator[Path]:
    """A folder that is gone afterwards: the largest networks have half a gigabyte."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def trained(bundles: Path) -> dict[str, Trained]:
    return {
        name: train_and_save(family, channels, bundles / name)
        for name, (family, channels) in zip(NAMES, CASES, strict=True)
    }


@pytest.fixture(scope="module")
def server(
    bundles: Path, trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    with server_process(bundles, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_a_network_learns_comes_back_bit_for_bit_and_answers_over_rest(
    name: str, trained: dict[str, Trained], server: RunningServer
) -> None:
    found = trained[name]
    assert all(0 < change < np.inf for change in found.moved.values()), found.moved
    assert np.array_equal(found.answer, found.answer_of_bundle)
    assert np.allclose(found.answer.sum(1), 1, atol=1e-5)
    answers = server.predict(name, found.images.tolist())
    assert np.allclose([each["probabilities"] for each in answers], found.answer, atol=1e-5)
