"""An ensemble's bundle: one file of weights, one answer, and nothing that is not checked."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forebay.contracts.bundles.ensemble_spec import ensemble_spec
from forebay.contracts.bundles.spec import SPEC, ModelSpec, read_spec
from forebay.errors import ModelError
from forebay.models import build, load_bundle, save_bundle
from forebay.models.bundle_files import ensemble_weights, read_networks

CLASSES = ["a", "b", "c"]
KINDS: list[tuple[str, dict[str, Any]]] = [("mlp", {"width": 8}), ("lenet5", {}), ("mlp", {"width": 4})]


def save_single(folder: Path, number: int, **changes: Any) -> ModelSpec:
    """A random network of its own kind, with a normalisation of its own."""
    name, options = KINDS[number]
    torch.manual_seed(number)
    network = build(name, options, 1, 8, 8, 3)
    network.train()(torch.randn(8, 1, 8, 8))
    facts = {"classes": CLASSES, "height": 8, "width": 8, "channels": 1, **changes}
    spec = ModelSpec(
        architecture=name, options=options, mean=[0.1 * number + 0.2], std=[0.3], weights_sha256="", **facts
    )
    return save_bundle(folder, spec, network.state_dict())


def save_ensemble(folder: Path, singles: list[Path], classes: list[str] = CLASSES) -> ModelSpec:
    found = [read_networks(single) for single in singles]
    models = {f"digits/{number}": spec for number, (spec, _) in enumerate(found)}
    spec = ensemble_spec(models, classes, training={}, data={}, lineage={})
    return save_bundle(folder, spec, ensemble_weights([each for _, networks in found for each in networks]))


@pytest.fixture(scope="module")
def singles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("singles") / str(number) for number in range(3)]
    for number, folder in enumerate(folders):
        save_single(folder, number)
    return folders


@pytest.fixture
def ensemble(singles: list[Path], tmp_path: Path) -> Path:
    save_ensemble(tmp_path / "ensemble", singles)
    return tmp_path / "ensemble"


def images(rows: int = 5) -> Any:
    return np.random.default_rng(1).integers(0, 256, (rows, 8, 8, 1), np.uint8)


def test_it_answers_the_mean_of_what_its_members_answer_alone_bit_for_bit(ensemble: Path, singles: list[Path]) -> None:
    alone = [load_bundle(single).predict(images()) for single in singles]
    expected = (alone[0] + alone[1] + alone[2]) / np.float32(3)
    found = load_bundle(ensemble).predict(images())
    assert found.dtype == np.float32
    assert found.tobytes() == expected.tobytes()
    assert load_bundle(ensemble).predict(images(0)).shape == (0, 3)


def test_each_member_keeps_its_temperature(singles: list[Path], tmp_path: Path) -> None:
    save_single(tmp_path / "sharp", 1, temperature=0.5)
    save_ensemble(tmp_path / "both", [singles[0], tmp_path / "sharp"])
    alone = [load_bundle(folder).predict(images()) for folder in (singles[0], tmp_path / "sharp")]
    assert (
        load_bundle(tmp_path / "both").predict(images()).tobytes() == ((alone[0] + alone[1]) / np.float32(2)).tobytes()
    )
    facts = json.loads((tmp_path / "both" / SPEC).read_text())
    (tmp_path / "both" / SPEC).write_text(json.dumps({**facts, "temperature": 0.5}))
    with pytest.raises(ModelError, match="temperature must be 1 in an ensemble: each member has its own"):
        load_bundle(tmp_path / "both")


def test_its_spec_comes_back_and_names_each_network(ensemble: Path, singles: list[Path]) -> None:
    spec = read_spec(ensemble)
    assert (spec.architecture, spec.options) == ("ensemble", {})
    for network, single in zip(spec.networks, singles, strict=True):
        own = read_spec(single)
        assert (network.architecture, network.options, network.mean, network.std) == (
            own.architecture, own.options, own.mean, own.std,
        )  # fmt: skip
        assert network.members == []


def test_a_member_with_other_order_of_classes_answers_by_name(singles: list[Path], tmp_path: Path) -> None:
    turned = tmp_path / "turned"
    save_single(turned, 1, classes=["c", "a", "b"])
    save_ensemble(tmp_path / "ensemble", [singles[0], turned])
    alone = load_bundle(turned).predict(images())[:, [1, 2, 0]]
    expected = (load_bundle(singles[0]).predict(images()) + alone) / np.float32(2)
    assert load_bundle(tmp_path / "ensemble").predict(images()).tobytes() == expected.tobytes()


def test_an_ensemble_in_an_ensemble_gives_its_networks_also_with_turned_classes(
    singles: list[Path], tmp_path: Path
) -> None:
    turned = tmp_path / "turned"
    save_single(turned, 1, classes=["c", "a", "b"])
    save_ensemble(tmp_path / "two", [singles[0], turned], ["b", "c", "a"])
    spec = save_ensemble(tmp_path / "four", [tmp_path / "two", singles[2], singles[0]])
    assert [network.architecture for network in spec.networks] == ["mlp", "lenet5", "mlp", "mlp"]
    alone = [load_bundle(each).predict(images()) for each in (singles[0], turned, singles[2], singles[0])]
    expected = (alone[0] + alone[1][:, [1, 2, 0]] + alone[2] + alone[3]) / np.float32(4)
    assert load_bundle(tmp_path / "four").predict(images()).tobytes() == expected.tobytes()


def test_several_threads_get_the_answers_of_one(ensemble: Path) -> None:
    model = load_bundle(ensemble)
    expected, found = model.predict(images()).tobytes(), []
    threads = [threading.Thread(target=lambda: found.append(model.predict(images()).tobytes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_it_predicts_like_itself_and_not_like_one_with_other_members(ensemble: Path, singles: list[Path]) -> None:
    spec = read_spec(ensemble)
    assert spec.predicts_like(read_spec(ensemble))
    changed = json.loads((ensemble / SPEC).read_text())
    changed["members"][1]["mean"] = [0.9]
    (ensemble / SPEC).write_text(json.dumps(changed))
    assert not spec.predicts_like(read_spec(ensemble))
    assert not spec.predicts_like(read_spec(singles[0]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"height": 4, "width": 4}, r"digits/1 has images 4x4x1, digits/0 has 8x8x1"),
        ({"classes": ["a", "b"]}, r"digits/1 has classes 2, digits/0 has 3"),
        ({"classes": ["a", "b", "d"]}, r"digits/1 knows the class 'd', digits/0 does not"),
        ({"fit": "letterbox"}, r"ingest\.fit letterbox, digits/0 has stretch"),
        ({"bits": 12}, r"ingest\.bits 12, digits/0 has 16"),
    ],
)
def test_models_that_take_other_images_or_tell_other_classes_apart_are_refused(
    singles: list[Path], changes: dict[str, Any], reason: str
) -> None:
    first = read_spec(singles[0])
    other = ModelSpec(**{**vars(first), **changes})
    with pytest.raises(ModelError, match=reason):
        ensemble_spec({"digits/0": first, "digits/1": other}, CLASSES, training={}, data={}, lineage={})


@pytest.mark.parametrize("count", [1, 33])
def test_too_few_or_too_many_networks_are_refused(singles: list[Path], count: int) -> None:
    models = {str(number): read_spec(singles[0]) for number in range(count)}
    with pytest.raises(ModelError, match=f"has 2 to 32 networks, and these are {count}"):
        ensemble_spec(models, CLASSES, training={}, data={}, lineage={})


def _swap(members: list[Any]) -> None:
    members[0], members[1] = members[1], members[0]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda members: members.clear(), "architecture must be ensemble where there are members, and only there"),
        (lambda members: members.pop(), r"2\..* is not of this network"),
        (lambda members: members.__delitem__(slice(1, None)), "members must be a list of 2 to 32 networks"),
        (lambda members: members.extend(members * 11), "members must be a list of 2 to 32 networks"),
        (
            lambda members: members.append(members[0]),
            r"members\[3\], mlp: the network has at least 64 numbers, the file 0",
        ),
        (_swap, r"members\[0\], lenet5: "),
        (lambda members: members.append("mlp"), r"members\[3\]: it must be an object"),
        (lambda members: members[1].pop("mean"), r"members\[1\]: mean is missing"),
        (lambda members: members[1].update(mean=[0.1, 0.2]), r"members\[1\]: mean must hold 1 numbers"),
        (lambda members: members[1].update(std=[0.0]), r"members\[1\]: 'std' must be a list of finite numbers above 0"),
        (lambda members: members[1].update(weights="/etc/passwd"), r"members\[1\]: 'weights' is no field of a member"),
        (lambda members: members[1].update(architecture="../mlp"), r"members\[1\]: 'architecture' must be a name"),
        (lambda members: members[1].update(architecture="ensemble"), r"members\[1\]: an ensemble cannot be a member"),
        (lambda members: members[1].update(architecture="os.system"), r"members\[1\], os\.system: There is no model"),
        (lambda members: members[0].update(options={"width": 1 << 14}), r"members\[0\], mlp: the network has at least"),
        (lambda members: members[0].update(options={"width": []}), r"members\[0\]: 'options' must hold numbers"),
        (lambda members: members[0].update(columns=[0, 1]), r"'columns' must be the numbers from 0 to 2, each once"),
        (lambda members: members[0].update(columns=[0, 1, 1]), r"'columns' must be the numbers from 0 to 2, each once"),
        (lambda members: members[0].update(columns=[0, 1, 2.0]), r"'columns' must be the numbers from 0 to 2"),
        (lambda members: members[0].update(columns="012"), r"'columns' must be the numbers from 0 to 2, each once"),
        (lambda members: members[0].update(members=[]), r"'members' is no field of a member"),
    ],
)
def test_what_somebody_changed_in_it_is_refused_before_a_network_is_built(
    ensemble: Path, harm: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = json.loads((ensemble / SPEC).read_text())
    harm(spec["members"])
    (ensemble / SPEC).write_text(json.dumps(spec))
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda *_: pytest.fail("a network was filled"))
    with pytest.raises(ModelError, match=reason):
        load_bundle(ensemble)


def test_a_single_model_may_not_call_itself_an_ensemble(singles: list[Path], tmp_path: Path) -> None:
    shutil.copytree(singles[0], tmp_path / "single")
    spec = json.loads((tmp_path / "single" / SPEC).read_text())
    (tmp_path / "single" / SPEC).write_text(json.dumps({**spec, "architecture": "ensemble"}))
    with pytest.raises(ModelError, match="architecture must be ensemble where there are members"):
        load_bundle(tmp_path / "single")
