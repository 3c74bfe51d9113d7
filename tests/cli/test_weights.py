"""`forebay weights`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from forebay.cli.commands.weights import weights_command
from forebay.errors import ExitCode
from forebay.state import Home
from support.fake_hub import REPOSITORY as NAME
from support.fake_hub import FakeHub, hub_with_one_network


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with hub_with_one_network(monkeypatch, str(tmp_path / "cache")) as running:
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
    unknown = call("fetch", "resnet-18")
    assert "Did you mean" in unknown.output
    assert unknown.exit_code == ExitCode.WRONG_USE
    assert "`forebay weights fetch` needs a NAME" in call("fetch").output
    assert "`forebay weights list` takes no NAME" in call("list", "resnet18").output
    assert "takes no --to" in call("list", "--to", "store").output


def call(*words: str) -> Result:
    return CliRunner().invoke(weights_command, words)
