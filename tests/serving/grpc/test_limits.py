"""Limits, deadlines and disconnects over gRPC: those of REST, and those that only gRPC needs."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from support.grpc_calls import TIMEOUT_S, free_port, infer, message
from support.tiny_inference_server import RunningServer, server_process, write_bundle

PIXELS = np.zeros((1, 8, 8, 1), np.uint8)
INFER = "/inference.GRPCInferenceService/ModelInfer"
MIB = 1 << 20
CORES = len(os.sched_getaffinity(0))  # large requests that are predicted at once
AT_ONCE = 2 * CORES + 2  # calls of one address in flight


def _document(images: np.ndarray[Any, Any] = PIXELS) -> dict[str, Any]:
    return {"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": list(images.shape)}]}


def _small(model: str = "grey") -> pb.ModelInferRequest:
    return message(_document(), raw=PIXELS.tobytes(), model=model)


def test_a_message_above_the_body_limit_is_refused_and_one_below_it_is_read(
    grpc_server: RunningServer, grpc_port: int
) -> None:
    assert infer(grpc_port, message(_document(), raw=bytes(MIB)))["code"] is grpc.StatusCode.RESOURCE_EXHAUSTED
    found = infer(grpc_port, message(_document(), raw=bytes(MIB - 100)))
    assert "expected 64 bytes for UINT8" in found["error"]
    assert "error" not in infer(grpc_port, _small())


def test_what_is_no_message_is_refused(channel: grpc.Channel) -> None:
    ask = channel.unary_unary(INFER)
    for content in (b"\xff", b"\x0a\x05abc", b"\x0b", b"\x2a\x02\x0a\xff", b"\x0a\x01\xff"):
        with pytest.raises(grpc.RpcError) as caught:
            ask(content)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, content
        assert "expected a message inference.ModelInferRequest" in caught.value.details()


def test_a_message_of_endless_small_fields_is_refused_before_they_take_memory(
    grpc_server: RunningServer, channel: grpc.Channel
) -> None:
    before = grpc_server.memory
    with pytest.raises(grpc.RpcError, match="at most 65536 fields") as caught:
        channel.unary_unary(INFER)(b"\x2a\x00" * (MIB // 2 - 1))  # empty inputs: two bytes each, a hundred parsed
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert grpc_server.memory - before < 32 * MIB


def test_a_compressed_message_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError, match="gzip") as caught:
        GRPCInferenceServiceStub(channel).ModelInfer(_small(), compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_calls_are_counted_with_protocol_and_status(grpc_server: RunningServer, grpc_port: int) -> None:
    good = 'forebay_requests_total{code="200",model_name="grey",protocol="grpc"}'
    bad = 'forebay_requests_total{code="404",model_name="-",protocol="grpc"}'
    before = grpc_server.metric(good), grpc_server.metric(bad)
    infer(grpc_port, _small())
    infer(grpc_port, _small("nobody"))
    assert (grpc_server.metric(good), grpc_server.metric(bad)) == (before[0] + 1, before[1] + 1)


class _SlowStream:
    """A call whose message is announced and never whole, on a bare HTTP/2 connection."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"  # an empty SETTINGS frame

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        headers = b"".join(
            b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in (
                (b":method", b"POST"), (b":scheme", b"http"), (b":path", INFER.encode()),
                (b":authority", b"localhost"), (b"te", b"trailers"), (b"content-type", b"application/grpc"),
            )
        )  # fmt: skip
        body = b"\x00" + (1000).to_bytes(4, "big") + b"\x0a"
        self.socket.sendall(self.PREFACE + _frame(1, 4, headers) + _frame(0, 0, body))

    def wait_for_trailers(self) -> bytes:
        """Read until the call was answered; returns everything that came."""
        found = b""
        while b"grpc-message" not in found:
            more = self.socket.recv(65536)
            assert more, found
            found += more
        return found


def _frame(kind: int, flags: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + (1).to_bytes(4, "big") + content


def test_a_message_that_never_ends_is_given_up_and_keeps_no_other_from_its_turn(
    grpc_server: RunningServer, grpc_port: int
) -> None:
    # 16 MiB of memory and messages of 1 MiB: 16 at once, 8 of one address.
    slow = [_SlowStream(grpc_port) for _ in range(9)]
    start = time.monotonic()
    assert "error" not in infer(grpc_port, _small())
    answered = slow[0].wait_for_trailers()
    assert b"The message was not whole within" in answered
    assert time.monotonic() - start < 60
    for stream in slow:
        stream.socket.close()
    assert grpc_server.metric('forebay_shed_total{reason="body_time"}') >= 1


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, int]]:
    """A server whose model takes seconds for 4096 images, and its gRPC port."""
    folder, port = tmp_path_factory.mktemp("heavy"), free_port()
    write_bundle(folder / "heavy", width=2560)
    settings = {"grpc_port": port, "connections": 2 * AT_ONCE}
    with server_process(folder / "heavy", folder / "log", "--model-name", "heavy", settings=settings) as running:
        yield running, port


def _batch() -> pb.ModelInferRequest:
    images = np.zeros((4096, 8, 8, 1), np.uint8)
    return message(_document(images), raw=images.tobytes(), model="heavy")


def _predictions(server: RunningServer) -> float:
    return server.metric('request_predict_seconds_count{model_name="heavy"}')


def test_a_call_whose_deadline_passes_while_it_waits_is_never_begun(heavy: tuple[RunningServer, int]) -> None:
    server, port = heavy
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        before, gone = _predictions(server), server.metric('forebay_shed_total{reason="gone"}')
        running = [stub.ModelInfer.future(_batch(), timeout=TIMEOUT_S) for _ in range(CORES + 2)]
        while server.metric('forebay_queue_requests{lane="large"}') < 2:
            assert not running[-1].done()
        running.pop().cancel()
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelInfer(_batch(), timeout=0.05)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert all(len(call.result().raw_output_contents) == 3 for call in running)
    assert _predictions(server) == before + len(running)
    assert server.metric('forebay_shed_total{reason="gone"}') == gone + 2
    assert server.metric("forebay_body_bytes_in_flight") == 0
    assert server.metric("forebay_decoded_bytes_in_flight") == 0


def test_more_calls_than_connections_allow_are_turned_away_with_the_settings_name(
    heavy: tuple[RunningServer, int],
) -> None:
    _, port = heavy
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        # Some may be over before the last one arrives: the server answers in threads, and the client sends in one.
        calls = [stub.ModelInfer.future(_batch(), timeout=TIMEOUT_S) for _ in range(4 * AT_ONCE)]
        refused = next(call for call in reversed(calls) if call.exception() and "connections" in call.details())
        assert "serve.address_percent of serve.connections" in refused.details()
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert ("retry-after", "1") in refused.trailing_metadata()
        for call in calls:
            call.cancel()


def test_a_sigterm_in_the_middle_of_calls_loses_none_and_ends_soon(tmp_path: Path) -> None:
    write_bundle(tmp_path / "heavy", shape=(64, 64, 3), width=256)
    port = free_port()
    images = np.zeros((1, 64, 64, 3), np.uint8)
    request = message(_document(images), raw=images.tobytes(), model="heavy")
    with server_process(
        tmp_path / "heavy", tmp_path / "log", "--model-name", "heavy", settings={"grpc_port": port}
    ) as server:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            assert next(watch) == b"\x08\x01"
            stub = GRPCInferenceServiceStub(channel)
            calls = [stub.ModelInfer.future(request, timeout=TIMEOUT_S) for _ in range(100)]
            calls[0].result()
            server.terminate()
            assert next(watch) == b"\x08\x02"  # NOT_SERVING, so that nobody sends more
            assert all(len(call.result().raw_output_contents) == 3 for call in calls)
            assert list(watch) == []
        assert server.process.wait(40) == 0, server.log.read_text()


def test_a_taken_port_is_named_with_its_setting_and_ends_the_start(bundles: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(AssertionError, match=rf"Port {port} on 127.0.0.1 is taken.*serve.grpc_port"),
            server_process(bundles, tmp_path / "log", settings={"grpc_port": port}),
        ):
            pass
