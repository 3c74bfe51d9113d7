"""A bundle gives back the very network that was saved, or is refused."""

import threading
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from forebay.contracts.bundles.spec import SPEC, WEIGHTS, ModelSpec, read_spec, regular_file_sha256, write_spec
from forebay.errors import ModelError
from forebay.models import build, load_bundle, save_bundle, standardize
from forebay.models.architectures import library_version
from forebay.settings.model_names import find_model
from forebay.state import read_json, write_json


def save(folder: Path, name: str = "resnet9", options: dict[str, Any] | None = None, side: int = 8) -> torch.nn.Module:
    """Save a random network whose batch norms have seen something; it is returned in eval mode."""
    torch.manual_seed(0)
    options = {"width": 4, "dropout": 0.5} if options is None else options
    library, name = find_model(name) or ("", name)
    network = build(name, options, 1, side, side, 3, library=library)
    network.train()(torch.randn(8, 1, side, side))
    spec = ModelSpec(
        library=library, library_version=library_version(library), architecture=name, options=options,
        classes=["a", "b", "c"], height=side, width=side, channels=1, mean=[0.4], std=[0.3], weights_sha256="",
    )  # fmt: skip
    save_bundle(folder, spec, network.state_dict())
    return network.eval()


def random_images(rows: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, side, side, 1), np.uint8)


@pytest.mark.parametrize(
    ("name", "options", "side"),
    [
        ("mlp", {"width": 8}, 8),
        ("lenet5", {"dropout": 0.1}, 8),
        ("resnet9", {"width": 4}, 8),
        ("resnet18", {"dropout": 0.1}, 32),
        ("mobilenet_v3_small", {}, 32),
        ("shufflenet_v2_x0_5", {}, 32),
        ("squeezenet1_1", {"dropout": 0.1}, 32),
        ("regnet_y_400mf", {}, 32),
        ("mnasnet0_5", {}, 32),
        ("efficientnet_b0", {"dropout": 0.1}, 32),
        ("densenet121", {}, 32),
        ("googlenet", {}, 32),
        ("swin_t", {}, 32),
        ("convnext_tiny", {}, 32),
        ("timm/seresnet50", {"dropout": 0.1}, 32),
    ],
)
def test_every_family_comes_back_with_the_same_answers(
    tmp_path: Path, name: str, options: dict[str, Any], side: int
) -> None:
    network = save(tmp_path, name, options, side)
    images = random_images(4, side)
    with torch.inference_mode():
        logits = network(standardize(torch.tensor(images).permute(0, 3, 1, 2), [0.4], [0.3]))
    answer = load_bundle(tmp_path).predict(images)
    assert answer.dtype == np.float32
    assert np.allclose(answer, torch.softmax(logits, 1).numpy(), atol=1e-4)
    assert np.allclose(answer.sum(1), 1, atol=1e-5)


def test_a_temperature_divides_the_logits_and_a_bundle_without_one_answers_as_before(tmp_path: Path) -> None:
    save(tmp_path)
    images = random_images(40)
    before, logits = load_bundle(tmp_path).predict(images), load_bundle(tmp_path).logits(images)
    older = read_json(tmp_path / SPEC)
    assert older.pop("temperature") == 1
    write_json(tmp_path / SPEC, older)
    assert load_bundle(tmp_path).predict(images).tobytes() == before.tobytes()
    write_json(tmp_path / SPEC, {**older, "temperature": 0.5})
    found = load_bundle(tmp_path)
    assert np.allclose(found.predict(images), torch.softmax(torch.tensor(logits) / 0.5, 1).numpy(), atol=1e-6)
    assert found.predict(images).argmax(1).tolist() == before.argmax(1).tolist()
    assert not found.spec.predicts_like(ModelSpec(**older))


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    save(tmp_path / "one")
    save(tmp_path / "two")
    assert regular_file_sha256(tmp_path / "one" / WEIGHTS) == regular_file_sha256(tmp_path / "two" / WEIGHTS)


def test_many_rows_are_answered_in_parts_and_none_gives_none(tmp_path: Path) -> None:
    save(tmp_path)
    classifier = load_bundle(tmp_path)
    images = random_images(20_000)
    answer = classifier.predict(images)
    assert answer.shape == (20_000, 3)
    assert np.allclose(answer[-3:], classifier.predict(images[-3:]), atol=1e-5)
    assert classifier.predict(images[:0]).shape == (0, 3)


def test_threads_may_share_a_classifier(tmp_path: Path) -> None:
    save(tmp_path)
    classifier, images = load_bundle(tmp_path), random_images(64)
    expected = classifier.predict(images)
    answers: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: answers.append(classifier.predict(images))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(np.array_equal(answer, expected) for answer in answers)


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 1), np.float32)],
)
def test_images_of_another_shape_or_type_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    save(tmp_path)
    with pytest.raises(ModelError, match=r"takes uint8 images of shape \(N, 8, 8, 1\)"):
        load_bundle(tmp_path).predict(images)


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    save(tmp_path)
    data = bytearray((tmp_path / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(data)
    with pytest.raises(ModelError, match="The bundle was changed or cut short"):
        load_bundle(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save(tmp_path)
    spec = read_spec(tmp_path)
    save_bundle(tmp_path, spec, build("lenet5", {}, 1, 8, 8, 3).state_dict())
    with pytest.raises(ModelError, match="does not fit resnet9"):
        load_bundle(tmp_path)


def test_a_file_that_is_not_safetensors_is_refused_and_never_unpickled(tmp_path: Path) -> None:
    save(tmp_path)
    torch.save({"weight": torch.ones(1)}, tmp_path / WEIGHTS)
    spec = read_spec_without_check(tmp_path)
    write_spec(tmp_path, spec)
    with pytest.raises(ModelError, match="does not fit resnet9"):
        load_bundle(tmp_path)


def read_spec_without_check(folder: Path) -> ModelSpec:
    """The spec with the digest of whatever weights file lies there now."""
    return replace(ModelSpec(**read_json(folder / SPEC)), weights_sha256=regular_file_sha256(folder / WEIGHTS))


def old_spec(folder: Path, **changed: Any) -> None:
    """Change `model.json`; a value of None takes the field away, as an older version left it out."""
    values = read_json(folder / SPEC) | changed
    write_json(folder / SPEC, {name: value for name, value in values.items() if value is not None})


@pytest.mark.parametrize(("name", "library"), [("resnet9", "forebay"), ("resnet18", "torchvision")])
def test_an_older_bundle_without_a_library_loads_as_it_did(tmp_path: Path, name: str, library: str) -> None:
    save(tmp_path, name, {"width": 4} if name == "resnet9" else {})
    images = random_images(2)
    before = load_bundle(tmp_path).predict(images)
    old_spec(tmp_path, library=None, library_version=None)
    loaded = load_bundle(tmp_path)
    assert np.array_equal(loaded.predict(images), before)
    assert (loaded.spec.library, loaded.spec.library_version) == (library, "")


def test_a_bundle_of_another_library_version_loads_while_its_weights_fit(tmp_path: Path) -> None:
    save(tmp_path, "timm/resnet18", {}, 32)
    assert read_spec(tmp_path).library_version == metadata.version("timm")
    old_spec(tmp_path, library_version="0.9.1")
    assert load_bundle(tmp_path).spec.library_version == "0.9.1"
    old_spec(tmp_path, architecture="resnet34")
    with pytest.raises(ModelError, match=r"It was trained with timm 0\.9\.1, here is 1.*: install that version"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("library", ["os", "", 5])
def test_a_library_that_is_none_is_refused(tmp_path: Path, library: Any) -> None:
    save(tmp_path)
    old_spec(tmp_path, library=library)
    with pytest.raises(ModelError, match="library must be forebay or torchvision or timm"):
        load_bundle(tmp_path)


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"{tmp_path} is not a model bundle"):
        load_bundle(tmp_path)


def test_weights_are_plain_safetensors(tmp_path: Path) -> None:
    network = save(tmp_path)
    stored = safetensors.torch.load_file(tmp_path / WEIGHTS)
    assert stored.keys() == network.state_dict().keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", WEIGHTS]
