"""docker/compose.yaml as it is started by hand: a model that becomes champion is served, and `down` loses nothing."""

import json
import os
import shutil
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forebay.serving.ports import bind
from support.forebay_command import Forebay
from support.paths import ROOT

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

DOCKER = ROOT / "docker"
HOST = "127.0.0.1"


def compose_command() -> list[str]:
    """The engine's plugin, else the older program of its own."""
    docker = os.environ.get("DOCKER", "docker")
    plugin = [docker, "compose"]
    if shutil.which(docker) and subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
        return plugin
    if found := shutil.which("docker-compose"):
        return [found]
    pytest.fail("neither the compose plugin nor docker-compose is installed; on Debian: apt-get install docker-compose")


@dataclass
class Stand:
    """The services of the file, under a project name of their own."""

    engine: "DockerClient"
    folder: Path
    command: list[str]
    variables: dict[str, str]

    def __call__(self, *words: str, expect: bool = True) -> None:
        done = subprocess.run(
            [*self.command, "--file", "compose.yaml", "--project-name", self.project, *words],
            cwd=self.folder, env={**os.environ, **self.variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is expect, done.stderr + self.logs()

    @property
    def project(self) -> str:
        return f"forebay-test-{os.getpid()}"

    def containers(self) -> "dict[str, Container]":
        """By service."""
        found = self.engine.containers.list(all=True, filters={"label": f"com.docker.compose.project={self.project}"})
        return {container.labels["com.docker.compose.service"]: container for container in found}

    def logs(self) -> str:
        return "\n".join(f"{name}: {each.logs(tail=20).decode()}" for name, each in self.containers().items())

    def until_said(self, service: str, text: str) -> None:
        """Follow a service's log until it holds the text."""
        said = ""
        for chunk in self.containers()[service].logs(stream=True, follow=True):
            said += chunk.decode()
            if text in said:
                return
        raise AssertionError(f"{service} ended without saying {text!r}: {said}")

    def url(self, port: str, path: str) -> str:
        return f"http://{HOST}:{self.variables[port]}{path}"


@pytest.fixture(scope="module")
def stand(engine: "DockerClient", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    command = compose_command()
    folder = tmp_path_factory.mktemp("stand")
    text = (DOCKER / "compose.yaml").read_text()
    (folder / "compose.yaml").write_text(text.replace("\nname: forebay\n", "\n"))  # docker-compose 1 knows no name
    shutil.copy(DOCKER / "make_secrets.py", folder)
    (folder / "secrets").mkdir()
    with bind(HOST, 0) as mlflow, bind(HOST, 0) as server:
        ports = {"MLFLOW_PORT": str(mlflow.getsockname()[1]), "SERVER_PORT": str(server.getsockname()[1])}
    stand = Stand(engine, folder, command, ports)
    try:
        stand("up", "--detach")
        yield stand
    finally:
        stand("down", "--volumes")


@pytest.fixture(scope="module")
def released(stand: Stand) -> dict[str, Any]:
    """A model trained on this machine, whose champion the stand serves."""
    folder = stand.folder / "work"
    folder.mkdir()
    cli = Forebay(folder, {"MLFLOW_TRACKING_URI": stand.url("MLFLOW_PORT", "")})
    summary = cli.json("run", "--set", "train.epochs=4")
    cli("stop")
    stand.until_said("champions", "serving digits version 1")
    return summary | {"example": cli.home / "serving" / "examples" / "digits.json"}


def answer(stand: Stand, released: dict[str, Any]) -> dict[str, Any]:
    url = stand.url("SERVER_PORT", "/v1/models/digits:predict")
    request = urllib.request.Request(url, released["example"].read_bytes(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        prediction: dict[str, Any] = json.loads(reply.read())["predictions"][0]
    return prediction


def test_the_champion_of_its_registry_is_served(stand: Stand, released: dict[str, Any]) -> None:
    assert answer(stand, released)["model_version"] == "1"


def test_artifacts_lie_in_the_s3_store_and_runs_in_postgres(stand: Stand, released: dict[str, Any]) -> None:
    listed = stand.containers()["s3"].exec_run(["find", "/data/mlflow", "-name", "model.json"]).output.decode()
    assert listed.count("model.json") == 1
    said = stand.containers()["mlflow"].exec_run(["sh", "-c", "ls /tmp /mlruns /opt/forebay/mlruns 2>/dev/null"])
    assert b".db" not in said.output


def test_every_service_is_contained_and_reached_on_loopback_only(stand: Stand, released: dict[str, Any]) -> None:
    for name, container in stand.containers().items():
        settings = container.attrs["HostConfig"]
        assert settings["ReadonlyRootfs"] is True, name
        assert settings["CapDrop"] == ["ALL"], name
        bindings = [each for ports in (settings["PortBindings"] or {}).values() for each in ports]
        assert {each["HostIp"] for each in bindings} <= {HOST}, name


def test_passwords_are_in_no_log_and_in_nothing_that_the_engine_shows(stand: Stand, released: dict[str, Any]) -> None:
    tokens = json.loads((stand.folder / "secrets" / "tokens.json").read_text()).values()
    assert len({token for token in tokens if len(token) == 48}) == 3
    for name, container in stand.containers().items():
        shown = json.dumps(container.attrs) + container.logs().decode()
        assert not [token for token in tokens if token in shown], name
    for file in (stand.folder / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_down_and_up_again_keeps_passwords_runs_and_models(stand: Stand, released: dict[str, Any]) -> None:
    tokens = stand.folder / "secrets" / "tokens.json"
    before = tokens.read_bytes()
    stand("down")
    assert stand.containers() == {}
    tokens.rename(tokens.with_suffix(".away"))
    stand("up", "--detach", expect=False)
    assert "Bring the file back" in stand.containers()["secrets"].logs().decode()
    tokens.with_suffix(".away").rename(tokens)
    stand("up", "--detach")
    stand.until_said("champions", "serving digits version 1")
    assert tokens.read_bytes() == before
    assert answer(stand, released)["model_version"] == "1"
