"""Weights in files, in S3 and in the registry."""

import hashlib
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from forebay.contracts.bundles.spec import WEIGHTS, ModelSpec
from forebay.errors import ConfigError, ModelError
from forebay.evaluate import evaluate
from forebay.models import build
from forebay.register import register
from forebay.settings import EvaluateConfig, RegisterConfig
from forebay.state import Home, StepLog
from forebay.weights import WeightsError, find_weights, load_pretrained
from forebay.weights.pin import pin_weights
from forebay.weights.registered import check_trainable
from support.s3_server import S3Store

TENSORS = {"layer.weight": torch.arange(6.0).view(2, 3), "layer.bias": torch.ones(2)}


@pytest.fixture
def kept_in(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_safetensors_file_is_used_where_it_lies(tmp_path: Path, kept_in: Home) -> None:
    path = tmp_path / "mine.safetensors"
    save_file(TENSORS, path)
    found = find_weights(str(path), "resnet18", home=kept_in, sha256=_sha256(path))
    assert (found.path, found.sha256, found.input) == (path, _sha256(path), None)
    assert not kept_in.root.exists()


@pytest.mark.parametrize("content", [b"", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", save(TENSORS)[:-4]])
def test_a_file_that_is_cut_short_is_refused(content: bytes, tmp_path: Path, kept_in: Home) -> None:
    (tmp_path / "half.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=r"half\.safetensors is no safetensors file, or it was cut short"):
        find_weights(str(tmp_path / "half.safetensors"), "resnet18", home=kept_in)


def test_a_missing_file_is_named(tmp_path: Path, kept_in: Home) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors cannot be read: No such file or directory"):
        find_weights(str(tmp_path / "none.safetensors"), "resnet18", home=kept_in)


def test_another_digest_is_refused(tmp_path: Path, kept_in: Home) -> None:
    save_file(TENSORS, tmp_path / "mine.safetensors")
    with pytest.raises(WeightsError, match=r"is not train\.weights_sha256=0{64}"):
        find_weights(str(tmp_path / "mine.safetensors"), "resnet18", home=kept_in, sha256="0" * 64)


def test_a_pth_file_without_its_digest_is_refused(tmp_path: Path, kept_in: Home) -> None:
    torch.save(TENSORS, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"mine\.pth is a pickle: set train\.weights_sha256"):
        find_weights(str(tmp_path / "mine.pth"), "resnet18", home=kept_in)


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"state_dict": TENSORS, "epoch": 3},
        {"model": {f"module.{name}": each for name, each in TENSORS.items()}},
    ],
)
def test_a_pth_file_with_its_digest_is_converted_once(content: object, tmp_path: Path, kept_in: Home) -> None:
    path = tmp_path / "mine.pth"
    torch.save(content, path)
    found = find_weights(str(path), "resnet18", home=kept_in, sha256=(digest := _sha256(path)))
    assert _equal(load_file(found.path), TENSORS)
    assert found.path.is_relative_to(kept_in.weights)
    path.unlink()
    assert find_weights(str(path), "resnet18", home=kept_in, sha256=digest) == found


def test_a_pth_file_that_would_run_code_runs_none(tmp_path: Path, kept_in: Home) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(_Evil(tmp_path / "ran")))  # writing a pickle runs nothing of it
    with pytest.raises(WeightsError, match=r"holds more than tensors and plain values"):
        find_weights(str(path), "resnet18", home=kept_in, sha256=_sha256(path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_a_broken_pth_file_is_refused_whatever_torch_makes_of_it(zipped: bool, tmp_path: Path, kept_in: Home) -> None:
    path = tmp_path / "broken.pth"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 300, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=r"broken\.pth holds more than tensors") as caught:
            find_weights(str(path), "resnet18", home=kept_in, sha256=_sha256(path))
        assert "weights_only" not in str(caught.value), "torch advises to switch the protection off"


def test_an_address_is_not_taken_for_a_path(kept_in: Home) -> None:
    with pytest.raises(WeightsError, match=r"weights=https://\*\*\*@host/w\.safetensors is an address\. Download"):
        find_weights("https://user:s3cret@host/w.safetensors", "resnet18", home=kept_in)


def test_a_pth_file_of_a_whole_network_is_refused(tmp_path: Path, kept_in: Home) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    with pytest.raises(WeightsError, match=r"Save its state dict alone, as safetensors"):
        find_weights(str(tmp_path / "whole.pth"), "resnet18", home=kept_in, sha256=_sha256(tmp_path / "whole.pth"))


def test_files_in_s3_are_copied_and_their_digest_pins_them(
    s3_server: S3Store, tmp_path: Path, kept_in: Home, monkeypatch: pytest.MonkeyPatch, no_aws: None
) -> None:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    save_file(TENSORS, tmp_path / "mine.safetensors")
    torch.save(TENSORS, tmp_path / "mine.pth")
    uri = s3_server.upload(tmp_path / "mine.safetensors", "models", "weights/mine.safetensors")
    found = find_weights(uri, "resnet18", home=kept_in)
    assert _equal(load_file(found.path), TENSORS)
    assert (found.sha256, found.source) == (_sha256(tmp_path / "mine.safetensors"), uri)
    pickled = s3_server.upload(tmp_path / "mine.pth", "models", "weights/mine.pth")
    converted = find_weights(pickled, "resnet18", home=kept_in, sha256=_sha256(tmp_path / "mine.pth"))
    assert _equal(load_file(converted.path), TENSORS)
    s3_server.client.delete_object(Bucket="models", Key="weights/mine.safetensors")
    assert find_weights(uri, "resnet18", home=kept_in, sha256=found.sha256) == found
    with pytest.raises(WeightsError, match=rf"{re.escape(uri)}: there is no such object"):
        find_weights(uri, "resnet18", home=kept_in)
    assert not [path for path in kept_in.weights.iterdir() if path.name.startswith(".")]


def test_a_registered_version_gives_its_weights_format_and_options(
    digits_shards: Path, digits_bundle: Path, mlflow_home: Home, steplog: StepLog
) -> None:
    found = evaluate(digits_shards, digits_bundle, mlflow_home.root / "evaluation", EvaluateConfig(), steplog)
    version = register(digits_shards, digits_bundle, found.folder, RegisterConfig(), steplog)
    weights = find_weights(f"models:/digits/{version}", "mlp", home=mlflow_home)
    assert weights.sha256 == _sha256(weights.path)
    assert (weights.library, weights.architecture, weights.source) == ("forebay", "mlp", f"models:/digits/{version}")
    assert weights.input is not None
    network = build("mlp", weights.options, 1, weights.input.height, weights.input.width, 10)
    assert load_pretrained(network, weights, 1) == []
    assert pin_weights(mlflow_home, "models:/digits/1", "mlp", "") == ("models:/digits/1", weights.sha256)
    with pytest.raises(ModelError, match=r"digits has no alias 'champion'"):
        find_weights("models:/digits@champion", "mlp", home=mlflow_home)
    with (weights.path.parent / WEIGHTS).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelError, match=r"digits version 1 is refused"):
        find_weights("models:/digits/1", "mlp", home=mlflow_home)


def test_a_run_is_told_of_the_very_file(tmp_path: Path, kept_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(TENSORS, tmp_path / "mine.safetensors")
    torch.save(TENSORS, tmp_path / "mine.pth")
    monkeypatch.chdir(tmp_path)
    digest, pickled = _sha256(tmp_path / "mine.safetensors"), _sha256(tmp_path / "mine.pth")
    assert pin_weights(kept_in, "mine.safetensors", "resnet18", "") == (str(tmp_path / "mine.safetensors"), digest)
    assert pin_weights(kept_in, "mine.pth", "resnet18", pickled) == (str(tmp_path / "mine.pth"), pickled)
    assert pin_weights(kept_in, "published", "timm/resnet18", "") == ("published", "")
    with pytest.raises(ConfigError, match=r"gone\.safetensors cannot be read"):
        pin_weights(kept_in, "gone.safetensors", "resnet18", "")


@pytest.mark.parametrize(
    ("weights", "hint"),
    [("resnet81.a1_in1k", "Near names are .*resnet18"), ("foo", "Give published, a name of timm's")],
)
def test_a_name_that_names_no_weights_is_refused_before_the_run(weights: str, hint: str, kept_in: Home) -> None:
    with pytest.raises(ConfigError, match=rf"train\.weights={re.escape(weights)} names no weights: timm has .*{hint}"):
        pin_weights(kept_in, weights, "auto", "")
    for name in ("auto", "none", "published", "resnet18.a1_in1k"):
        assert pin_weights(kept_in, name, "auto", "") == (name, "")


def test_graphs_and_ensembles_cannot_be_trained_further() -> None:
    with pytest.raises(WeightsError, match=r"models:/own/1 is the exported graph of a network of the user's own"):
        check_trainable(_spec(library="onnx"), "models:/own/1")
    with pytest.raises(WeightsError, match=r"models:/many/2 is an ensemble of 2 networks"):
        check_trainable(_spec(members=[{}, {}]), "models:/many/2")


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def _spec(**fields: object) -> ModelSpec:
    return ModelSpec(
        architecture="Net", options={}, classes=["a", "b"], height=8, width=8, channels=1, mean=[0.5], std=[0.5],
        weights_sha256="0" * 64, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def _equal(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
