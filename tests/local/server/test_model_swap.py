"""One server per state folder: it outlives commands, follows the desired models, and swaps them under load."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from forebay.contracts.bundles.spec import WEIGHTS
from forebay.errors import ConfigError, MachineError
from forebay.local.server import control, server_status
from forebay.local.server.launch import ServerOptions
from forebay.local.server.publish import publish
from forebay.serving.ports import bind
from forebay.serving.state import DesiredModel, ServerInfo, ServingFiles, write_server
from forebay.state import Home
from support.tiny_inference_server import write_desired_model

HOST = "127.0.0.1"
BODY = json.dumps({"instances": [[[1] * 8] * 8]})
SWAPS = 12


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A state folder whose server is started once and stopped at the end."""
    home = Home(tmp_path_factory.mktemp("home")).open()
    control.ensure_server(home, ServerOptions(HOST, 0))
    yield home
    control.stop_server(home)


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[DesiredModel]:
    """Versions 1 and 2, with different weights."""
    folder = tmp_path_factory.mktemp("versions")
    return [write_desired_model(folder / str(number), str(number), seed=number) for number in (1, 2)]


def _until_logged(home: Home, text: str) -> None:
    """Wait until the server's log has a text."""
    end = time.monotonic() + 60
    while text not in ServingFiles.of(home).log.read_text():
        assert time.monotonic() < end, f"the server never logged: {text}"
        time.sleep(0.02)  # between two looks at the condition above


def _running(home: Home) -> ServerInfo:
    info = server_status.running_server(home)
    assert info is not None
    return info


def _version(connection: http.client.HTTPConnection) -> str:
    connection.request("POST", "/v1/models/digits:predict", BODY)
    response = connection.getresponse()
    answer = response.read()
    assert response.status == 200, answer
    return str(json.loads(answer)["predictions"][0]["model_version"])


def _connection(home: Home) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, _running(home).port, timeout=120)


def test_models_are_swapped_under_load_without_one_failed_request(
    shared_home: Home, versions: list[DesiredModel]
) -> None:
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    done = threading.Event()

    def keep_alive() -> set[str]:
        connection, seen = _connection(shared_home), set()
        while not done.is_set():
            seen.add(_version(connection))
        connection.close()
        return seen

    def always_new() -> set[str]:
        seen = set()
        while not done.is_set():
            connection = _connection(shared_home)
            seen.add(_version(connection))
            connection.close()
        return seen

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(keep_alive), pool.submit(keep_alive), pool.submit(always_new), pool.submit(always_new)]
        try:
            for number in range(SWAPS):
                loaded = publish(
                    shared_home, lambda _, number=number: {"digits": versions[(number + 1) % 2]}, 30
                ).loaded
                assert loaded["digits"].error == ""
                connection = _connection(shared_home)
                assert _version(connection) == versions[(number + 1) % 2].version
                connection.close()
        finally:
            done.set()
        assert [client.result(30) for client in clients] == [{"1", "2"}] * 4


def test_memory_does_not_grow_with_swaps(shared_home: Home, tmp_path: Path) -> None:
    models = [write_desired_model(tmp_path / str(number), str(number), seed=number, width=4096) for number in (1, 2)]
    mib = (tmp_path / "1" / WEIGHTS).stat().st_size / 2**20
    process = psutil.Process(_running(shared_home).pid)

    def swap(times: int) -> float:
        for number in range(times):
            publish(shared_home, lambda _, number=number: {"digits": models[number % 2]}, 60)
        return float(process.memory_info().rss) / 2**20

    settled = swap(4)
    assert swap(8) - settled < 3 * mib


@pytest.mark.parametrize("damage", ["missing", "weights", "other weights"])
def test_a_model_that_fails_to_load_leaves_the_old_one_answering(
    shared_home: Home, versions: list[DesiredModel], tmp_path: Path, damage: str
) -> None:
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    broken = write_desired_model(tmp_path / "broken", "9", seed=9)
    if damage == "missing":
        broken = replace(broken, bundle=str(tmp_path / "nowhere"))
    elif damage == "weights":
        (Path(broken.bundle) / WEIGHTS).write_bytes(b"cut short")
    else:
        broken = replace(broken, weights_sha256="0" * 64)
    loaded = publish(shared_home, lambda _: {"digits": broken, "other": versions[1]}, 30).loaded
    assert loaded["digits"].version == "1"
    assert "bundle" in loaded["digits"].error or "weights" in loaded["digits"].error
    assert loaded["other"].error == ""
    assert _version(_connection(shared_home)) == "1"


def test_a_server_is_ready_when_every_wanted_model_answers_in_whatever_version(
    shared_home: Home, versions: list[DesiredModel], tmp_path: Path
) -> None:
    broken = replace(versions[1], version="9", digest="0" * 64)

    def ready(path: str = "/v2/health/ready") -> int:
        connection = _connection(shared_home)
        connection.request("GET", path)
        return connection.getresponse().status

    publish(shared_home, lambda _: {}, 30)
    assert ready() == 200  # no model is desired
    publish(shared_home, lambda _: {"digits": broken}, 30)
    assert (ready(), ready("/v2/models/digits/ready"), ready("/v1/models/digits")) == (503, 503, 503)
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    assert (ready(), ready("/v2/models/digits/ready"), ready("/v1/models/digits")) == (200, 200, 200)
    publish(shared_home, lambda _: {"digits": broken}, 30)
    assert (ready(), ready("/v2/models/digits/ready")) == (200, 200)  # version 1 answers, and `status` says so
    publish(shared_home, lambda _: {"digits": versions[0], "more": broken}, 30)
    assert (ready(), ready("/v2/models/digits/ready"), ready("/v2/models/more/ready")) == (503, 200, 503)
    publish(shared_home, lambda _: {"digits": versions[0], "more.candidate": replace(broken, candidate=True)}, 30)
    assert ready() == 200


def test_a_model_that_is_no_longer_wanted_is_gone(shared_home: Home, versions: list[DesiredModel]) -> None:
    publish(shared_home, lambda _: {"digits": versions[0], "other": versions[1]}, 30)
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    assert set(server_status.loaded_models(shared_home)) == {"digits"}
    connection = _connection(shared_home)
    connection.request("GET", "/v1/models/other")
    assert connection.getresponse().status == 404


def test_changes_of_different_models_at_the_same_time_add_up(shared_home: Home, versions: list[DesiredModel]) -> None:
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    names = [f"model-{number}" for number in range(8)]

    def add(name: str) -> None:
        publish(shared_home, lambda present: present | {name: versions[1]}, 30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, names))
    assert set(server_status.loaded_models(shared_home)) == {"digits", *names}


def test_a_second_change_sees_what_the_first_one_made(shared_home: Home, versions: list[DesiredModel]) -> None:
    inside, seen = threading.Event(), []

    def slow(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        inside.set()
        assert not second.done()
        return present | {"first": versions[0]}

    def quick(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        seen.extend(present)
        return present

    def after() -> None:
        assert inside.wait(30)
        publish(shared_home, quick, 30)

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(after)
        publish(shared_home, slow, 30)
        second.result(60)
    assert "first" in seen


def test_a_damaged_list_of_desired_models_is_survived(shared_home: Home, versions: list[DesiredModel]) -> None:
    publish(shared_home, lambda _: {"digits": versions[0]}, 30)
    desired = ServingFiles.of(shared_home).desired
    whole = desired.read_bytes()
    desired.write_bytes(b"{")
    _until_logged(shared_home, "the desired models cannot be followed")
    assert _version(_connection(shared_home)) == "1"
    desired.write_bytes(whole)
    publish(shared_home, lambda _: {"digits": versions[1]}, 30)
    assert _version(_connection(shared_home)) == "2"


def test_starting_again_finds_the_running_server(shared_home: Home) -> None:
    before = _running(shared_home)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: control.ensure_server(shared_home, ServerOptions(HOST, 0)), range(3)))
    assert found == [before] * 3


def test_a_busy_port_is_named_with_its_holder_and_both_settings(home: Home) -> None:
    with bind(HOST, 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(MachineError) as caught:
            control.ensure_server(home, ServerOptions(HOST, port))
    message = str(caught.value)
    for words in (f"Port {port}", f"process {os.getpid()}", "--port", "FOREBAY_PORT"):
        assert words in message
    assert server_status.running_server(home) is None


@pytest.mark.parametrize(("host", "port"), [("x" * 300, 0), ("203.0.113.1", 0), (HOST, 70000)])
def test_an_impossible_address_is_refused(home: Home, host: str, port: int) -> None:
    with pytest.raises(ConfigError, match=r"--host|--port"):
        control.check_can_start(home, host, port)


def test_files_that_a_reboot_left_are_not_taken_for_a_server(home: Home) -> None:
    files = ServingFiles.of(home)
    write_server(files, ServerInfo(pid=os.getpid(), host=HOST, port=1, log=""))  # a live process, but not a server
    files.lock.write_text("the server (process 1)\n")
    assert server_status.running_server(home) is None
    assert server_status.loaded_models(home) == {}
    assert control.stop_server(home) is False


def test_a_server_that_cannot_start_says_why(home: Home) -> None:
    files = ServingFiles.of(home)
    files.folder.mkdir()
    files.desired.write_text("not JSON")
    with pytest.raises(MachineError, match=r"did not start: .*desired.json is damaged.*Its log: .*server.log"):
        control.ensure_server(home, ServerOptions(HOST, 0))
