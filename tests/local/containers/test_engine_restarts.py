"""What an engine tells of a server's container, over the wire of its API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from forebay.errors import MachineError
from forebay.local.containers.server_container import engine_restarts
from forebay.local.server import server_status
from forebay.local.server.status_text import server_lines
from forebay.serving.state import ServerInfo
from forebay.state import Home
from support.loopback_server import QuietHandler, serving

ENDED = {"ExitCode": 137, "OOMKilled": True, "FinishedAt": "2026-11-29T10:11:12.123456789Z"}


class _Engine(QuietHandler):
    """Knows two containers: one that was started again, and one that never was."""

    def do_GET(self) -> None:
        name = self.path.partition("/containers/")[2].removesuffix("/json")
        known: dict[str, Any] = {
            "again": {"Id": "a", "RestartCount": 3, "State": ENDED},
            "calm": {"Id": "b", "RestartCount": 0, "State": {"FinishedAt": "0001-01-01T00:00:00Z"}},
        }
        value = known.get(name, {"message": f"No such container: {name}"}) if name else {"ApiVersion": "1.47"}
        self.send(404 if name and name not in known else 200, json.dumps(value).encode())


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with serving(_Engine) as url:
        monkeypatch.setenv("DOCKER_HOST", url.replace("http:", "tcp:"))
        yield


def _server(container: str) -> ServerInfo:
    return ServerInfo(pid=1, host="127.0.0.1", port=8090, log="server.log", container=container)


def test_status_tells_how_often_the_engine_started_the_server_again(home: Home) -> None:
    lines = server_lines(home, _server("again"), {})
    assert (
        "  started again 3 times, the last time after 2026-11-29T10:11:12+00:00: exit code 137, for lack of memory"
        in lines
    )
    assert not any("started again" in line for line in server_lines(home, _server("calm"), {}))


def test_a_container_that_is_gone_and_an_engine_that_is_away_tell_nothing(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_status.read_restarts(home, _server("gone")) is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert server_status.read_restarts(home, _server("again")) is None
    with pytest.raises(MachineError, match="No container engine answers"):
        engine_restarts("again")
