"""The serve image alone, as `docker run` starts it on a bundle."""

import json
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from forebay.container_images import SERVE
from forebay.serving.ports import PORT_VARIABLE, bind
from support.tiny_inference_server import read_response, write_bundle

if TYPE_CHECKING:
    from docker.client import DockerClient
    from docker.models.containers import Container

REQUESTS = 200
HOST = "127.0.0.1"

Start = Callable[..., "Container"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model heavy enough that 200 requests take a while, and light enough that they end within the grace."""
    folder = tmp_path_factory.mktemp("heavy") / "heavy"
    write_bundle(folder, shape=(64, 64, 3), width=64)
    return folder


@pytest.fixture
def start(engine: "DockerClient", bundle: Path) -> Iterator[Start]:
    """Start a container on the bundle, mounted where KServe mounts models; returns when it listens."""
    started: list[Container] = []

    def run(command: list[str] | None = None, **options: Any) -> "Container":
        container: Container = engine.containers.run(
            SERVE, command, volumes={str(bundle): {"bind": "/mnt/models/heavy", "mode": "ro"}}, read_only=True,
            tmpfs={"/tmp": ""}, cap_drop=["ALL"], security_opt=["no-new-privileges"], mem_limit="1g", detach=True,
            **options,
        )  # fmt: skip
        started.append(container)
        said = b""
        for chunk in container.logs(stream=True):
            said += chunk
            if b"listening on" in said:
                return container
        pytest.fail(said.decode())

    yield run
    for container in started:
        container.remove(force=True)


def body() -> bytes:
    return json.dumps({"instances": [[[[5, 6, 7]] * 64] * 64]}).encode()


def test_a_mounted_bundle_answers_on_a_published_port(start: Start) -> None:
    container = start(ports={"8080/tcp": (HOST, None)})
    container.reload()
    port = container.ports["8080/tcp"][0]["HostPort"]
    request = urllib.request.Request(f"http://{HOST}:{port}/v1/models/heavy:predict", body())
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert len(json.loads(answer.read())["predictions"]) == 1


def test_the_engine_is_told_that_it_is_healthy(engine: "DockerClient", start: Start) -> None:
    container = start()
    for event in engine.events(decode=True, since=0, filters={"container": container.id, "event": "health_status"}):
        assert event["status"] == "health_status: healthy"
        break
    container.reload()
    assert container.attrs["State"]["Health"]["Status"] == "healthy"


def test_a_sigterm_in_the_middle_of_200_requests_loses_none(start: Start) -> None:
    with bind(HOST, 0) as free:
        port = int(free.getsockname()[1])
    container = start(
        ["--models", "/mnt/models", "--host", HOST], network_mode="host", environment={PORT_VARIABLE: str(port)}
    )
    headers = f"Host: {HOST}\r\nContent-Length: {len(body())}\r\n\r\n"
    request = f"POST /v1/models/heavy:predict HTTP/1.1\r\n{headers}".encode()
    clients = [socket.create_connection((HOST, port), timeout=60) for _ in range(REQUESTS)]
    for client in clients:
        client.sendall(request + body())
    container.kill("SIGTERM")
    statuses = [read_response(client)[0] for client in clients]
    assert statuses == [200] * REQUESTS
    assert container.wait(timeout=60)["StatusCode"] == 0


@pytest.mark.parametrize(
    ("mode", "said"),
    [(0o755, b"/mnt/models holds no model bundle"), (0o700, b"may not be read by uid 10001")],
)
def test_a_mount_without_a_bundle_ends_with_words(
    engine: "DockerClient", tmp_path: Path, mode: int, said: bytes
) -> None:
    from docker.errors import ContainerError

    tmp_path.chmod(mode)
    volumes = {str(tmp_path): {"bind": "/mnt/models", "mode": "ro"}}
    with pytest.raises(ContainerError) as caught:
        engine.containers.run(SERVE, volumes=volumes, read_only=True, tmpfs={"/tmp": ""}, remove=True)
    assert caught.value.exit_status == 2
    assert said in caught.value.stderr
    assert b"Traceback" not in caught.value.stderr
