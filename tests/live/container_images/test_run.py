"""The same compiled pipeline in containers: equal digests, the same answers, nothing left behind."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forebay.container_images import SERVE
from forebay.local.containers.engine import HOME_LABEL, home_label_value
from forebay.local.containers.step_containers import RUN_LABEL
from forebay.serving.state import ServingFiles, read_server
from forebay.state import Home
from support.forebay_command import Forebay

if TYPE_CHECKING:
    from docker.client import DockerClient

EPOCHS = ("--set", "train.epochs=4")
KEYS = {"AWS_ACCESS_KEY_ID": "planted-key", "AWS_SECRET_ACCESS_KEY": "planted-secret-key"}  # for steps only


@pytest.fixture(scope="module")
def containers(engine: "DockerClient", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forebay]:
    cli = Forebay(
        tmp_path_factory.mktemp("containers"), {"FOREBAY_RUNNER": "docker", "GITHUB_TOKEN": "planted-5ecret", **KEYS}
    )
    yield cli
    cli("stop")


@pytest.fixture(scope="module")
def summary(containers: Forebay) -> dict[str, Any]:
    """The whole pipeline on digits, once."""
    return containers.json("run", *EPOCHS)


def left(engine: "DockerClient", home: Path, label: str) -> list[Any]:
    """The containers of a state folder that bear a label."""
    return engine.containers.list(all=True, filters={"label": [f"{HOME_LABEL}={home_label_value(Home(home))}", label]})


def test_it_ends_in_an_answer_from_the_serve_container(
    engine: "DockerClient", containers: Forebay, summary: dict[str, Any]
) -> None:
    assert summary["state"] == "done"
    info = read_server(ServingFiles.of(Home(containers.home)))
    assert info is not None
    settings = engine.containers.get(info.container).attrs["HostConfig"]
    assert settings["ReadonlyRootfs"] is True
    assert settings["Memory"] == 2 << 30
    assert settings["RestartPolicy"]["Name"] == "unless-stopped"
    body = (containers.home / "serving" / "examples" / "digits.json").read_bytes()
    request = urllib.request.Request(summary["url"], body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.loads(answer.read())["predictions"][0]["model_version"] == "1"


def test_digests_equal_those_of_processes_in_another_home(
    tmp_path: Path, containers: Forebay, summary: dict[str, Any]
) -> None:
    processes = Forebay(tmp_path)
    other = processes.json("run", *EPOCHS)
    processes("stop")
    assert summary["data"] == other["data"]
    assert summary["model"]["weights_sha256"] == other["model"]["weights_sha256"]
    assert _shards(containers) == _shards(processes)
    assert summary["accuracy"] == other["accuracy"]


def test_no_step_container_is_left_and_nothing_belongs_to_somebody_else(
    engine: "DockerClient", containers: Forebay, summary: dict[str, Any]
) -> None:
    assert left(engine, containers.home, RUN_LABEL) == []
    owner = containers.folder.stat().st_uid
    assert {path.stat().st_uid for path in containers.home.rglob("*")} == {owner}


def test_the_callers_other_secrets_reach_no_container_log_or_file(
    engine: "DockerClient", containers: Forebay, summary: dict[str, Any]
) -> None:
    info = read_server(ServingFiles.of(Home(containers.home)))
    assert info is not None
    assert "planted-" not in json.dumps(engine.containers.get(info.container).attrs)
    found = [path for path in containers.home.rglob("*") if path.is_file() and b"planted-" in path.read_bytes()]
    assert found == []


def test_a_server_that_the_engine_took_down_is_removed_by_stop_and_no_other_starts(
    engine: "DockerClient", containers: Forebay, summary: dict[str, Any]
) -> None:
    info = read_server(ServingFiles.of(Home(containers.home)))
    assert info is not None
    engine.containers.get(info.container).kill()  # it is started again only when the engine is
    assert "The server has ended" in containers("stop").stderr
    assert left(engine, containers.home, HOME_LABEL) == []
    assert "No server is running" in containers("stop").stderr


def test_serve_needs_the_image_and_says_so(
    engine: "DockerClient", containers: Forebay, summary: dict[str, Any]
) -> None:
    hidden = f"{SERVE}-hidden"
    image = engine.images.get(SERVE)
    assert image.tag(*hidden.split(":"))
    engine.images.remove(SERVE)
    try:
        assert f"has no container image {SERVE}. Build them" in containers("serve", expect=2).stderr
    finally:
        assert image.tag(*SERVE.split(":"))
        engine.images.remove(hidden)
    containers("serve")
    assert "digits" in containers("status").stdout


def test_a_killed_run_leaves_nothing_and_the_next_one_goes_on(engine: "DockerClient", tmp_path: Path) -> None:
    cli = Forebay(tmp_path, {"FOREBAY_RUNNER": "docker"})
    run = cli.start("run", "--json", "--set", "train.epochs=60", "--set", "train.checkpoint_s=1")
    assert run.stderr is not None
    for line in run.stderr:
        if line.startswith("train:") and "steps" in line:
            break
    run.send_signal(signal.SIGKILL)
    run.communicate()
    summary = cli.json("run", "--set", "train.epochs=60", "--set", "train.checkpoint_s=1")
    cli("stop")
    assert [step["cached"] for step in summary["steps"]][:2] == [True, True]
    assert summary["state"] == "done"
    assert left(engine, cli.home, RUN_LABEL) == []


def _shards(cli: Forebay) -> str:
    (manifest,) = (cli.home / "artifacts").glob("*/preprocess/shards/manifest.json")
    digest: str = json.loads(manifest.read_text())["digest"]
    return digest
