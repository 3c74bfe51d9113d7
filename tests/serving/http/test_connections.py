"""Bytes over a socket: every client gets its response, and large bodies are rejected unread."""

import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from support.tiny_inference_server import RunningServer, read_response

BODY = json.dumps({"instances": [[[1] * 8] * 8]}).encode()
MIB = 1 << 20


@pytest.fixture
def client(server: RunningServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        yield connection


def _head(*headers: str, method: str = "POST", path: str = "/v1/models/grey:predict") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def test_an_announced_huge_body_is_refused_before_a_byte_of_it_is_sent(client: socket.socket) -> None:
    client.sendall(_head(f"Content-Length: {1 << 40}"))
    status, headers, body = read_response(client)
    assert status == 413
    assert headers["connection"] == "close"
    assert "at most 1048576 bytes" in json.loads(body)["error"]


def test_a_client_that_waits_for_100_continue_gets_413_instead(client: socket.socket) -> None:
    client.sendall(_head(f"Content-Length: {2 * MIB}", "Expect: 100-continue"))
    assert read_response(client)[0] == 413


def test_100_continue_is_said_where_the_body_is_welcome(client: socket.socket) -> None:
    client.sendall(_head(f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
    assert client.recv(100).startswith(b"HTTP/1.1 100")
    client.sendall(BODY)
    assert read_response(client)[0] == 200


@pytest.mark.parametrize("closing", ["Connection: keep-alive", "Connection: close"])
def test_a_client_that_sends_everything_before_it_reads_still_sees_413(client: socket.socket, closing: str) -> None:
    client.sendall(_head(f"Content-Length: {40 * MIB}", closing))
    for _ in range(40):
        client.sendall(b"0" * MIB)
    status, _, body = read_response(client)
    assert status == 413
    assert b"1048576" in body


def test_an_endless_chunked_body_is_refused_while_it_streams(client: socket.socket) -> None:
    client.sendall(_head("Transfer-Encoding: chunked"))
    chunk = b"10000\r\n" + b"0" * 65536 + b"\r\n"
    for _ in range(64):
        client.sendall(chunk)
    status, _, body = read_response(client)
    assert status == 413
    assert b"came already" in body


def test_a_half_closed_client_with_a_short_body_is_told(client: socket.socket) -> None:
    client.sendall(_head("Content-Length: 1000") + b'{"instances"')
    client.shutdown(socket.SHUT_WR)
    status, _, body = read_response(client)
    assert status == 400
    assert "1000 bytes as Content-Length says, got 12" in json.loads(body)["error"]


def test_a_half_closed_client_with_a_whole_body_gets_its_prediction(client: socket.socket) -> None:
    client.sendall(_head(f"Content-Length: {len(BODY)}") + BODY)
    client.shutdown(socket.SHUT_WR)
    status, _, body = read_response(client)
    assert status == 200
    assert b"label_name" in body
    assert client.recv(1) == b""


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client
        _head("Content-Length: 5", "Content-Length: 6") + b"0" * 300_000,
        _head("Content-Length: -5"),
        _head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        _head("Transfer-Encoding: chunked") + b"zz\r\n" + b"0" * 300_000,
        b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_400_in_our_form(client: socket.socket, bytes_sent: bytes) -> None:
    client.sendall(bytes_sent)
    status, _, body = read_response(client)
    assert status == 400
    assert json.loads(body)["error"]


def test_requests_sent_ahead_on_one_connection_are_answered_in_order(client: socket.socket) -> None:
    other = BODY.replace(b"1", b"x")
    client.sendall(_head(f"Content-Length: {len(BODY)}") + BODY + _head(f"Content-Length: {len(other)}") + other)
    received = b""
    while received.count(b"HTTP/1.1 ") < 2 or not received.endswith(b"}"):
        received += client.recv(65536)
    assert received.index(b"HTTP/1.1 200") < received.index(b"HTTP/1.1 400")


def test_a_connection_lives_on_after_a_refused_body(client: socket.socket) -> None:
    for _ in range(3):
        client.sendall(_head("Content-Length: 1") + b"{")
        assert read_response(client)[0] == 400
    client.sendall(_head(f"Content-Length: {len(BODY)}") + BODY)
    assert read_response(client)[0] == 200


def test_clients_that_reset_their_connection_disturb_nobody(server: RunningServer) -> None:
    def send_and_reset() -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
            client.sendall(_head(f"Content-Length: {len(BODY)}") + BODY[:-5])

    threads = [threading.Thread(target=send_and_reset) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.post("/v1/models/grey:predict", BODY).status == 200
    assert "Traceback" not in server.log.read_text()
