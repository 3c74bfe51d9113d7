"""One server process with a gRPC port for all tests that only send requests."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from support.grpc_calls import free_port
from support.tiny_inference_server import RunningServer, server_process

BODY_S = 4  # short, for the tests of what comes too slowly


@pytest.fixture(scope="session")
def grpc_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def grpc_server(bundles: Path, grpc_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of `grey` and `colour`; its body limit is 1 MiB, and it holds 16 MiB at most."""
    log = tmp_path_factory.mktemp("grpc-server") / "server.log"
    settings = {"grpc_port": grpc_port, "body_s": BODY_S, "memory_mib": 16}
    options = ("--max-body-mib", "1", "--model-version", "7")
    with server_process(bundles, log, *options, settings=settings) as running:
        yield running


@pytest.fixture
def channel(grpc_server: RunningServer, grpc_port: int) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as opened:
        yield opened
