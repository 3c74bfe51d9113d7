"""Abusive clients on real sockets: each is stopped by its limit, and every other client is answered meanwhile."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forebay.serving.admission.remote_client import counted_address
from support.abusive_clients import (
    MIB,
    connect,
    dripping_clients,
    hold_body,
    read_to_end,
    scaled_timeout,
    send_long_header,
)
from support.tiny_inference_server import RunningServer, read_response, server_process, write_bundle

HEAD_S = 3
BODY_S = 4
BODY = json.dumps({"instances": [[[1] * 28] * 28]}).encode()
PATH = "/v1/models/digits:predict"
HEAD = b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "digits"
    write_bundle(folder, shape=(28, 28, 1))
    return folder


@pytest.fixture(scope="module")
def server(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with short deadlines."""
    log = tmp_path_factory.mktemp("limits-server") / "log"
    with server_process(
        digits, log, "--model-name", "digits", settings={"head_s": HEAD_S, "body_s": BODY_S}
    ) as running:
        yield running


@pytest.fixture
def client(server: RunningServer) -> Iterator[socket.socket]:
    with connect(server) as connection:
        yield connection


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_long_header_is_refused_after_32_KiB(server: RunningServer) -> None:
    assert _status(send_long_header(server, 4 * MIB)) == 431
    assert server.metric('forebay_shed_total{reason="head_bytes"}') >= 1


def test_a_header_may_fill_the_limit_and_no_more(client: socket.socket) -> None:
    for length, status in ((32000, 200), (33000, 431)):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * length + b"\r\n\r\n")
        answered, _, body = read_response(client)
        assert answered == status, body
    assert "at most 32768 bytes and 100 headers" in json.loads(body)["error"]


def test_a_hundred_headers_pass_and_one_more_does_not(client: socket.socket) -> None:
    for count, status in ((99, 200), (100, 431)):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * count + b"\r\n")
        assert read_response(client)[0] == status


@pytest.mark.parametrize(
    "endless",
    [b'5\r\n{"a":\r\n0\r\nX-Trailer: ', b"5;extension=", b'5\r\n{"a":\r\n0\r\n'],
    ids=["trailer", "extension", "trailers"],
)
def test_what_a_chunked_body_has_around_it_is_limited_as_well(client: socket.socket, endless: bytes) -> None:
    client.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + endless)
    try:
        for _ in range(64):
            client.sendall(b"X: y\r\n" * 5000 if endless.endswith(b"0\r\n") else b"a" * 30000)
    except OSError:
        pass  # the server closed the connection
    assert _status(read_to_end(client)) in (400, 431)


def test_each_request_of_a_connection_has_the_limits_for_itself(client: socket.socket) -> None:
    for _ in range(5):
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 20000 + b"\r\n\r\n")
        assert read_response(client)[0] == 200


def test_large_bodies_and_requests_sent_ahead_count_as_no_head(client: socket.socket) -> None:
    body = BODY + b" " * 100_000
    one = HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    client.sendall(one * 3)
    received = b""
    while received.count(b"HTTP/1.1 200") < 3:
        received += client.recv(65536)


def test_400_idle_and_dripping_clients_are_gone_after_the_deadline(server: RunningServer) -> None:
    began = time.monotonic()
    with (
        dripping_clients(server, 200, b"", b"") as idle,
        dripping_clients(server, 200, b"GET / HTTP/1.1\r\nX: ", b"a") as slow,
    ):
        assert server.post(PATH, BODY).status == 200
        assert idle.wait_until_closed(scaled_timeout(HEAD_S + 5)) == 0
        assert slow.wait_until_closed(scaled_timeout(HEAD_S + 5)) == 0
    assert time.monotonic() - began >= HEAD_S
    assert {_status(said) for said in slow.received.values()} == {408}
    assert set(idle.received.values()) == {b""}


def test_a_body_has_a_deadline_however_steadily_it_drips(server: RunningServer) -> None:
    with dripping_clients(server, 5, HEAD + b"Content-Length: 1000\r\n\r\n", b" ") as slow:
        assert slow.wait_until_closed(scaled_timeout(BODY_S + 15)) == 0
    for said in slow.received.values():
        assert _status(said) == 408
        assert b"was not whole within 4 s" in said


def test_a_body_that_nobody_asked_for_has_the_deadline_too(server: RunningServer) -> None:
    with dripping_clients(
        server, 3, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", b" "
    ) as slow:
        assert slow.wait_until_closed(scaled_timeout(BODY_S + 15)) == 0
    assert {_status(said) for said in slow.received.values()} == {200}


def test_nobody_is_stopped_by_long_heads_held_bodies_and_dripping_clients(server: RunningServer) -> None:
    """All at once: health within 1 s, a prediction within 3 s or 503, at most 300 MB, and all of them are closed."""
    before = server.memory
    most = health = prediction = 0.0
    with (
        ThreadPoolExecutor(31) as abusive,
        dripping_clients(server, 50, b"GET / HTTP/1.1\r\nX: ", b"a") as heads,
        dripping_clients(server, 50, HEAD + b"Content-Length: 60000000\r\n\r\n", b" ") as bodies,
    ):
        attacks = [abusive.submit(hold_body, server, PATH, 60 * MIB) for _ in range(30)]
        attacks.append(abusive.submit(send_long_header, server, 40 * MIB))
        while not all(attack.done() for attack in attacks):
            began = time.monotonic()
            assert server.request("GET", "/v2/health/live").status == 200
            health = max(health, time.monotonic() - began)
            began = time.monotonic()
            assert server.post(PATH, BODY).status in (200, 503)
            prediction = max(prediction, time.monotonic() - began)
            most = max(most, server.memory)
        assert heads.wait_until_closed(scaled_timeout(HEAD_S + 5)) == 0
        assert bodies.wait_until_closed(scaled_timeout(BODY_S + 15)) == 0
    print(f"health {health:.2f} s, prediction {prediction:.2f} s, {(most - before) / 1e6:.0f} MB")
    assert health < scaled_timeout(1)
    assert prediction < scaled_timeout(3)
    assert most - before < 300e6
    assert {_status(attack.result()) for attack in attacks[:-1]} <= {408, 429, 503}
    assert _status(attacks[-1].result()) == 431
    assert server.metric("forebay_body_bytes_in_flight") == 0


def test_where_one_connection_is_too_many_the_one_that_waits_longest_makes_room(digits: Path, tmp_path: Path) -> None:
    settings = {"connections": 40, "head_s": 600, "body_s": 600}
    with server_process(digits, tmp_path / "log", "--model-name", "digits", settings=settings) as server:
        with dripping_clients(server, 30, b"", b"") as idle:  # one address may have 20
            assert server.post(PATH, BODY).status == 200
            assert idle.wait_until_closed(scaled_timeout(10), 20) <= 20
        assert server.metric('forebay_shed_total{reason="evicted"}') >= 10
        with dripping_clients(server, 20, HEAD + b"Content-Length: 1000\r\n\r\n", b""):
            while server.metric("forebay_connections") < 20:
                pass
            for _ in range(50):  # clients that were turned away do not make room for more
                reply = server.post(PATH, BODY)
                assert (reply.status, reply.headers["retry-after"]) == (429, "1")
            assert "serve.address_percent" in reply.json["error"]
            assert server.request("GET", "/v2/health/live").status == 200


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(host: str, counted: str) -> None:
    assert counted_address(host) == counted
