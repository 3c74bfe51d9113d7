"""After SIGTERM every request that was sent is answered, the port is released, and the exit code is 0."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.tiny_inference_server import read_response, server_process, write_bundle

REQUESTS = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes a while for 200 requests."""
    folder = tmp_path_factory.mktemp("heavy") / "heavy"
    write_bundle(folder, shape=(64, 64, 3), width=256)
    return folder


@pytest.fixture(scope="module")
def request_bytes() -> bytes:
    body = json.dumps({"instances": [[[[5, 6, 7]] * 64] * 64]}).encode()
    return (
        f"POST /v1/models/heavy:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


def test_a_sigterm_in_the_middle_of_200_requests_loses_none(folder: Path, request_bytes: bytes, tmp_path: Path) -> None:
    with server_process(folder, tmp_path / "log", "--model-name", "heavy") as server:
        clients = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(REQUESTS)]
        for client in clients:
            client.sendall(request_bytes)
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=120)
        server.terminate()
        statuses = [read_response(client)[0] for client in clients]
        assert server.process.wait(40) == 0, server.log.read_text()
        assert idle.recv(1) == b""
    assert statuses == [200] * REQUESTS
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_busy_keep_alive_clients_are_told_to_leave_and_lose_nothing(
    folder: Path, request_bytes: bytes, tmp_path: Path
) -> None:
    statuses: list[int] = []
    answered = threading.Semaphore(0)

    def ask_until_told_to_leave(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
            headers: dict[str, str] = {}
            while headers.get("connection") != "close":
                connection.sendall(request_bytes)
                status, headers, _ = read_response(connection)
                statuses.append(status)
                answered.release()

    with server_process(folder, tmp_path / "log", "--model-name", "heavy") as server, ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(ask_until_told_to_leave, server.port) for _ in range(8)]
        for _ in range(40):
            assert answered.acquire(timeout=120)
        server.terminate()
        for client in clients:
            client.result(60)
        assert server.process.wait(40) == 0
    assert set(statuses) == {200}
