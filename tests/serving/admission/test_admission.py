"""Memory, queues and disconnects: which request is processed when, which is turned away, and which not begun."""

import base64
import contextlib
import gzip
import io
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forebay.serving.admission.limits import MIB, ServerLimits
from forebay.serving.admission.memory_budget import MemoryBudgets
from forebay.serving.admission.memory_reservation import MemoryReservation, NotSmallError
from forebay.serving.admission.remote_client import RemoteClient
from forebay.serving.protocol.client_request import encode_binary_request
from forebay.serving.rejection import RequestRejectedError
from support.abusive_clients import connect, dripping_clients, scaled_timeout
from support.tiny_inference_server import RunningServer, read_response, server_process, write_bundle

WIDTH = 2560  # two hidden layers of this width take seconds for 4096 images
SMALL = json.dumps({"instances": [[[1] * 8] * 8]}).encode()
PATH = "/v1/models/heavy:predict"


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("admission") / "heavy"
    write_bundle(folder, width=WIDTH)
    return folder


@pytest.fixture(scope="module")
def server(heavy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    log = tmp_path_factory.mktemp("admission-server") / "log"
    with server_process(heavy, log, "--model-name", "heavy") as running:
        yield running


def _batch() -> bytes:
    """A request of 4096 images."""
    body, length = encode_binary_request(np.zeros((4096, 8, 8, 1), np.uint8))
    head = f"Inference-Header-Content-Length: {length}\r\nContent-Type: application/octet-stream"
    return _request("/v2/models/heavy/infer", body, head)


def _request(path: str, body: bytes, header: str = "Content-Type: application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _predictions(server: RunningServer) -> float:
    return server.metric('request_predict_seconds_count{model_name="heavy"}')


def _wait(server: RunningServer, line: str, low: float, high: float = float("inf")) -> None:
    """Wait until a metric lies in this range."""
    end = time.monotonic() + 60
    while not low <= server.metric(line) <= high:
        assert time.monotonic() < end, (line, server.metric(line))


QUEUE = 'forebay_queue_requests{lane="large"}'
GONE = 'forebay_shed_total{reason="gone"}'
BODIES = "forebay_body_bytes_in_flight"
DECODED = "forebay_decoded_bytes_in_flight"


def test_a_small_request_waits_behind_no_batch_and_a_greedy_address_is_told(server: RunningServer) -> None:
    before, gone = _predictions(server), server.metric(GONE)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(40)]
        for client in clients:
            client.sendall(_batch())
        _wait(server, 'forebay_shed_total{reason="address_queue"}', 1)
        assert server.metric(QUEUE) == 32  # half of 64
        began = time.monotonic()
        assert server.post(PATH, SMALL).status == 200
        assert time.monotonic() - began < scaled_timeout(3)
        assert server.metric(QUEUE) > 20, "the small request came first"
        refused = [client for client in clients if _has_answer(client)]
        status, headers, body = read_response(refused[-1])
        assert (status, headers["retry-after"]) == (429, "5")
        assert b"serve.address_percent" in body
    _wait(server, QUEUE, 0, 0)  # all have disconnected
    assert server.metric(GONE) > gone + 20
    assert _predictions(server) < before + 15, "what nobody waits for is not predicted"


def _has_answer(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False
    finally:
        client.settimeout(60)


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("leave", [socket.socket.close, _reset])
def test_decoding_ends_with_the_image_in_which_the_client_leaves(
    server: RunningServer, leave: "type[socket.socket.close]"
) -> None:
    image = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    Image.fromarray(noise).save(image, "PNG")
    instances = [{"b64": base64.b64encode(image.getvalue()).decode()}] * 15
    before, gone = _predictions(server), server.metric(GONE)
    with connect(server) as client:
        client.sendall(_request(PATH, json.dumps({"instances": instances}).encode()))
        _wait(server, DECODED, 1)
        leave(client)
    _wait(server, BODIES, 0, 0)  # the request is over
    assert server.metric(DECODED) == 0
    if leave is _reset:  # a polite close is noticed a second later, when all may be decoded
        assert server.metric(GONE) == gone + 1
        assert _predictions(server) == before


def test_sigterm_ends_within_ten_seconds_whatever_runs(heavy: Path, tmp_path: Path) -> None:
    body = b"POST /v1/models/heavy:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    with (
        server_process(heavy, tmp_path / "log", "--model-name", "heavy") as server,
        contextlib.ExitStack() as stack,
        dripping_clients(server, 20, b"GET / HTTP/1.1\r\nX: ", b"a"),
        dripping_clients(server, 20, body, b" ") as bodies,
    ):
        clients = [stack.enter_context(connect(server)) for _ in range(32)]  # more than a fast machine answers in time
        for client in clients:
            client.sendall(_batch())
        _wait(server, QUEUE, 16)
        began = time.monotonic()
        server.terminate()
        assert server.process.wait(30) == 0
        assert time.monotonic() - began < 10
        statuses = [read_response(client)[0] for client in clients]
        assert set(statuses) <= {200, 503}
        assert 503 in statuses
        assert bodies.wait_until_closed(10) == 0
        assert all(b"503 Service Unavailable" in said for said in bodies.received.values())


def _reserve(budgets: MemoryBudgets, address: str) -> MemoryReservation:
    return MemoryReservation(budgets, RemoteClient(address))


def test_bodies_take_memory_from_a_budget_and_small_ones_have_a_part_for_themselves() -> None:
    limits = ServerLimits(memory_bytes=100 * MIB)  # 75 of them for large bodies, and 37.5 of these for one address
    budgets = MemoryBudgets(lambda: limits)
    with _reserve(budgets, "a") as first, _reserve(budgets, "b") as second, _reserve(budgets, "c") as third:
        first.reserve_body(60 * MIB)  # the only request is always admitted
        with (
            pytest.raises(RequestRejectedError, match="bodies of your address") as caught,
            _reserve(budgets, "a") as more,
        ):
            more.reserve_body(10 * MIB)
        assert caught.value.status == 429
        second.reserve_body(12 * MIB)
        with pytest.raises(RequestRejectedError, match=r"serve\.memory_mib") as caught:
            third.reserve_body(10 * MIB)
        assert caught.value.status == 503
        assert (b"retry-after", b"1") in caught.value.headers
        third.reserve_body(MIB)
        assert budgets.body_bytes == 73 * MIB
        with pytest.raises(RequestRejectedError):
            third.reserve_growing_body(MIB + 1)  # reserves in steps, from the budget of large bodies
    assert budgets.body_bytes == 0


def test_what_turns_out_large_is_no_small_request() -> None:
    budgets = MemoryBudgets(ServerLimits)
    with MemoryReservation(budgets, RemoteClient()) as reservation:
        reservation.reserve_body(1000)
        reservation.reserve_decoded(ServerLimits.small_decoded_bytes - MIB)
        for asked in (
            lambda: reservation.reserve_decoded(2 * MIB),
            lambda: reservation.reserve_decompressed(2 * MIB),
            lambda: reservation.check_image_count(4096, 8, 8),
        ):
            with pytest.raises(NotSmallError):
                asked()
        reservation.check_image_count(1, 4000, 4000)
        reservation.restart_as_large()
        assert budgets.decoded_bytes == 0
        reservation.reserve_decoded(600 * MIB)
        reservation.reserve_decompressed(2 * MIB)
    assert budgets.decoded_bytes == budgets.body_bytes == 0


def test_what_is_decompressed_counts_with_the_body(server: RunningServer) -> None:
    body = gzip.compress(SMALL + b" " * 40 * MIB)
    assert len(body) < MIB
    assert server.post(PATH, body, {"Content-Encoding": "gzip"}).status == 200
    assert server.metric("forebay_body_bytes_in_flight") == 0


@pytest.mark.parametrize("body", [b"[]," * 5_000_000, b"[" * 5_000_000, b"7," * 10_000_000])
def test_json_of_too_many_values_is_refused_before_it_is_parsed(server: RunningServer, body: bytes) -> None:
    before = server.memory
    reply = server.post(PATH, b'{"instances":[' + body)
    assert reply.status == 413
    assert "as a binary tensor" in reply.json["error"]
    assert server.memory < before + 100 * MIB
