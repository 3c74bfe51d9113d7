"""A network of the user's own trains like any other, and ends as a graph that answers as it does."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from forebay.contracts.bundles.spec import GRAPH
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import ConfigError, MachineError, TrainError, UserCodeError
from forebay.evaluate import evaluate
from forebay.models import load_bundle, standardize
from forebay.models.weights import load_weights
from forebay.settings import EvaluateConfig, TrainConfig
from forebay.settings.own_model import architecture_of
from forebay.state import Home, StepLog
from forebay.train import export_network, fit
from forebay.train.checkpoints.checkpoint import Checkpoint
from forebay.train.own_network import OwnNetwork
from forebay.user_code import MODELS_GROUP, package_identity, parse_reference
from support.made_once import home_with
from support.own_networks import CONV, HEAD, INIT, own_settings
from support.training_child import TrainingChild
from support.user_packages import install_package
from support.watched_training import FirstStep, wait_for_step

Start = Callable[..., TrainingChild]


@pytest.fixture(scope="module")
def trained(dataset: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an undisturbed training: `out` is its bundle, `home` its state folder."""
    root = tmp_path_factory.mktemp("own")
    log = StepLog(name="train", run_id="", home=home_with(mlflow_template, root / "home"))
    fit(dataset, root / "out", TrainConfig(**own_settings()), log)
    return root


def last_checkpoint(root: Path) -> Checkpoint:
    return Checkpoint.read(max((root / "home" / "checkpoints").glob("*/step-*")))


def test_the_graph_answers_as_the_trained_network_does(dataset: Path, trained: Path) -> None:
    classifier = load_bundle(trained / "out")
    spec = classifier.spec
    assert (spec.library, spec.architecture, spec.options) == ("onnx", "Net", {})
    assert (spec.training["model"], len(spec.training["model_code_sha256"])) == ("net.py:Net", 64)
    assert not list((trained / "out").glob("*.safetensors*")) or (trained / "out" / GRAPH).is_file()
    data = SplitManifest.read(dataset)
    own = OwnNetwork.load(TrainConfig(**own_settings()))
    assert own
    network = own.build_for(data)
    named = last_checkpoint(trained).tensors
    load_weights(network, {name[8:]: each for name, each in named.items() if name.startswith("network.")})
    images = open_split(dataset, data, "test").images_NHWC()
    with torch.inference_mode():
        logits = network.eval()(standardize(torch.tensor(images).permute(0, 3, 1, 2), data.mean, data.std))
    assert np.allclose(classifier.predict(images), torch.softmax(logits, 1).numpy(), atol=1e-5)


def test_evaluate_measures_it_and_runs_none_of_the_users_code(dataset: Path, trained: Path, home: Home) -> None:
    log = StepLog(name="evaluate", run_id="", home=home)
    result = evaluate(dataset, trained / "out", home.root / "result", EvaluateConfig(), log)
    assert result.accuracy["value"] > 0.5
    assert result.model["architecture"] == "Net"


def test_killed_twice_it_ends_with_the_same_bits(
    dataset: Path, trained: Path, home: Home, start: Start, tmp_path: Path
) -> None:
    settings = json.dumps(own_settings(checkpoint_s=1))
    for step in (7, 13):
        events = tmp_path / f"events-{step}.jsonl"
        child = start(dataset, tmp_path / "out", events, CHANGES=settings)
        wait_for_step(child, events, step)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    log = FirstStep(name="train", run_id="", home=home)
    fit(dataset, tmp_path / "out", TrainConfig(**own_settings(checkpoint_s=1)), log)
    assert log.first > 10, "the last start went on from the checkpoint of the epoch before"
    assert (tmp_path / "out" / GRAPH).read_bytes() == (trained / "out" / GRAPH).read_bytes()


def test_another_text_is_another_training(dataset: Path, trained: Path, tmp_path: Path) -> None:
    log = FirstStep(name="train", run_id="", home=Home(trained / "home").open())
    fit(dataset, tmp_path / "out", TrainConfig(**own_settings(CONV + "# new\n")), log)
    assert log.first == 1


def net(body: str, forward: str = "        return self.head(images.flatten(1))\n", head: str = HEAD) -> str:
    return f"{head}class Net(nn.Module):\n{INIT}{body}\n    def forward(self, images):\n{forward}"


LINEAR = "        self.head = nn.Linear(channels * height * width, classes)\n"
WRONG: dict[str, tuple[str, str]] = {
    "raises": (net("        raise ValueError('too small')\n"), r"calling it failed: net.py line \d+ in __init__: ra"),
    "signature": ("def Net(channels, size):\n    pass\n", r"net.py:Net takes \(channels, size\) \(missing a required"),
    "no-network": ("def Net(**shape):\n    return 5\n", r"returned int. It is called with channels, height, width"),
    "no-callable": ("Net = 5\n", r"net.py:Net is int, not a class or function"),
    "no-parameters": (
        net("        self.layers = [nn.Linear(64, classes)]\n", "        return self.layers[0](images.flatten(1))\n"),
        r"has no parameters to train. Make layers attributes of the module, and lists of them nn.ModuleList",
    ),
    "unused-parameters": (
        net(LINEAR, "        return torch.zeros(len(images), 3, requires_grad=True)\n"),
        r"no parameter has a part in the answer",
    ),
    "lazy": (net("        self.head = nn.LazyLinear(classes)\n"), r"head.weight has no size yet. Lazy layers"),
    "state": (
        net(LINEAR + "    def get_extra_state(self):\n        return {'n': 1}\n"),
        r"_extra_state in its state is dict, which no checkpoint holds",
    ),
    "complex": (
        net(LINEAR + "        self.register_buffer('z', torch.zeros(2, dtype=torch.complex64))\n"),
        r"z in its state is torch.complex64",
    ),
    "shape": (
        net(LINEAR, "        return self.head(images.flatten(1))[:, :2]\n"),
        r"answers 2 images with torch.float32 of shape \(2, 2\) in evaluation mode. It must .* here \(2, 3\)",
    ),
    "pair": (
        net(LINEAR, "        y = self.head(images.flatten(1))\n        return (y, y) if self.training else y\n"),
        r"answers with tuple in training mode. It must return one tensor",
    ),
    "nan": (net(LINEAR, "        return self.head(images.flatten(1)) / 0\n"), r"answers with NaN or infinity in evalu"),
    "size": (
        net("        self.head = nn.Linear(100, classes)\n"),
        r"computing 2 images in evaluation mode failed: net.py line \d+ in forward: return self.head.*Runtime",
    ),
    "branch": (
        net(LINEAR, "        x = images.flatten(1)\n        return self.head(x * 2 if x.mean() > 0 else x)\n"),
        r"cannot be exported to ONNX, by which it is served: .*data-dependent.*code that branches on the values",
    ),
    "random": (
        net(LINEAR, "        return self.head(images.flatten(1) + 0.1 * torch.rand_like(images.flatten(1)))\n"),
        r"gives another answer each time",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_trained_or_served_is_told_before_the_first_step(
    dataset: Path, home: Home, tmp_path: Path, what: str
) -> None:
    code, words = WRONG[what]
    log = FirstStep(name="train", run_id="", home=home)
    with pytest.raises((TrainError, UserCodeError), match=words):
        fit(dataset, tmp_path / "out", TrainConfig(**own_settings(code)), log)
    assert log.first == 0
    assert not list(home.checkpoints.glob("*/step-*"))


def test_an_error_in_the_middle_of_a_training_shows_the_users_line(dataset: Path, home: Home, tmp_path: Path) -> None:
    forward = (
        "        if self.training and len(images) > 2:\n            raise KeyError('later')\n"
        "        return self.head(images.flatten(1))\n"
    )
    log = FirstStep(name="train", run_id="", home=home)
    with pytest.raises(UserCodeError, match=r"training it failed: net.py line \d+ in forward: raise KeyError"):
        fit(dataset, tmp_path / "out", TrainConfig(**own_settings(net(LINEAR, forward))), log)


def test_a_graph_that_answers_otherwise_is_refused_and_the_trained_weights_are_kept(
    dataset: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = export_network.export_graph, 0

    def of_other_weights(network: torch.nn.Module, shape: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 1:  # of the trial
            return real(network, shape)
        own = OwnNetwork.load(TrainConfig(**own_settings()))
        assert own
        return real(own.build_for(SplitManifest.read(dataset)), shape)

    monkeypatch.setattr(export_network, "export_graph", of_other_weights)
    log = StepLog(name="train", run_id="", home=home)
    with pytest.raises(TrainError, match=r"differ by up to 0\.\d+, and 0.0001 is allowed.* trained weights are kept"):
        fit(dataset, tmp_path / "out", TrainConfig(**own_settings()), log)
    monkeypatch.undo()
    again = FirstStep(name="train", run_id="", home=home)
    fit(dataset, tmp_path / "out", TrainConfig(**own_settings()), again)
    assert again.first == 0, "nothing was trained again"


def test_a_missing_library_is_named_with_its_extra(
    dataset: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(MachineError, match=r"needs onnxscript, which is not installed.*pip install 'forebay\[onnx\]'"):
        fit(dataset, tmp_path / "out", TrainConfig(**own_settings()), StepLog(name="train", run_id="", home=home))


def test_settings_that_such_a_network_does_not_have_are_refused(dataset: Path, home: Home, tmp_path: Path) -> None:
    log = StepLog(name="train", run_id="", home=home)
    for changes, words in (
        ({"dropout": 0.5}, "train.dropout is 0.5, but net.py:Net is a network of your own"),
        ({"width": "8"}, "train.width is 8, but net.py:Net has no such setting"),
        ({"model_code": ""}, "train.model=net.py:Net came without the text of its file"),
    ):
        with pytest.raises(TrainError, match=words):
            fit(dataset, tmp_path / "out", TrainConfig(**own_settings(**changes)), log)
    with pytest.raises(ConfigError, match=r"train.members=2 .* net.py:Net is a network of your own"):
        TrainConfig(**own_settings(members=2))
    with pytest.raises(ConfigError, match=r"must name a class or function of the file, such as net.py:Net"):
        TrainConfig(model="net.py")


def test_a_package_brings_a_network_by_name_and_another_version_of_it_is_refused(
    dataset: Path, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = {MODELS_GROUP: {"club-net": "net_club.nets:Net"}}
    package = install_package(tmp_path / "site", monkeypatch, "net-club", points, {"nets.py": CONV})
    identity = f"package:{package_identity(parse_reference('club-net'), MODELS_GROUP)}"
    config = TrainConfig(**own_settings(model="club-net", model_code=identity, epochs="1"))
    log = StepLog(name="train", run_id="", home=home)
    assert fit(dataset, tmp_path / "out", config, log).spec.architecture == "club-net"
    (package / "nets.py").write_text(CONV + "# edited\n")
    with pytest.raises(TrainError, match="the package that is installed here is not the one with which the run was"):
        fit(dataset, tmp_path / "out", replace(config, seed=1), log)


def test_a_bundle_names_the_network_after_the_users_class_but_for_words_that_mean_more() -> None:
    named = {name: architecture_of(parse_reference(name)) for name in ("a/net.py:Net", "club.nets:make", "club.net-1")}
    assert named == {"a/net.py:Net": "Net", "club.nets:make": "make", "club.net-1": "club_net-1"}
    assert architecture_of(parse_reference("net.py:ensemble")) == "ensemble_"
