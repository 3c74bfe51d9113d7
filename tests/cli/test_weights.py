"""`forebay weights`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from safetensors.torch import save

from forebay.cli.commands.weights import weights_command
from forebay.models.timm_import import import_timm
from forebay.state import Home
from support.fake_hub import FakeHub, running_hub

NAME = "timm/mobilenetv3_small_050.lamb_in1k"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub() as running:
        network = import_timm().create_model("mobilenetv3_small_050")
        running.files[f"{NAME}/model.safetensors"] = save(network.state_dict())
        running.used(monkeypatch, str(tmp_path / "cache"))
        yield running


def test_fetched_weights_are_listed_with_licence_and_place(
    hub: FakeHub, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("list").output == "There are none yet. `forebay weights fetch NAME` brings some.\n"
    store = str(tmp_path / "store")
    fetched = call("fetch", "mobilenetv3_small_050", "--to", store)
    assert fetched.exit_code == 0, fetched.output
    assert fetched.output.startswith(f"{NAME}  ")
    assert f"apache-2.0  {hub.url}/{NAME} at 0123456789ab  in {store}" in fetched.output
    monkeypatch.setenv("FOREBAY_WEIGHTS_STORE", store)
    listed = json.loads(call("list", "--json").output)["weights"]
    assert [(each["name"], each["where"]) for each in listed] == [(NAME, str(home.weights)), (NAME, store)]


def test_what_cannot_be_fetched_is_explained(home: Home) -> None:
    assert "Did you mean" in call("fetch", "resnet-18").output
    assert "`forebay weights fetch` needs a NAME" in call("fetch").output
    assert "`forebay weights list` takes no NAME" in call("list", "resnet18").output
    assert "takes no --to" in call("list", "--to", "store").output


def call(*words: str) -> Result:
    return CliRunner().invoke(weights_command, words)
