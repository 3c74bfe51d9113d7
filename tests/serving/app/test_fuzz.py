"""Slightly broken requests: each is answered, none with a bug of the server, and none leaves memory behind.

500 by default; `make fuzz` sends 10 000.
"""

import os
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.abusive_clients import connect, read_to_end
from support.fuzzed_requests import requests
from support.tiny_inference_server import RunningServer, server_process

COUNT = int(os.environ.get("FOREBAY_FUZZ_REQUESTS", "500"))
SEED = int(os.environ.get("FOREBAY_FUZZ_SEED", "15"))
FIRST = min(500, COUNT // 2)
MOST_GROWTH = 1.3


@pytest.fixture(scope="module")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for this test alone, because its memory is measured."""
    log = tmp_path_factory.mktemp("fuzz") / "log"
    with server_process(bundles, log, "--model-version", "7") as running:
        yield running


def _status(server: RunningServer, request: bytes) -> int:
    """The status of the first response; 0 where there is none."""
    with connect(server) as client:
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
        except OSError:  # it was rejected before its end; the response says why
            pass
        answer = read_to_end(client)
    while answer.startswith(b"HTTP/1.1 1"):
        answer = answer.partition(b"\r\n\r\n")[2]
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def test_fuzzed_requests_are_all_answered_and_leave_nothing_behind(server: RunningServer) -> None:
    found: Counter[int] = Counter()
    wrong: list[tuple[int, bytes]] = []
    memory = 0
    with ThreadPoolExecutor(4) as clients:
        sent = list(requests(SEED, COUNT))
        for start in range(0, COUNT, FIRST):
            part = sent[start : start + FIRST]
            for request, status in zip(part, clients.map(lambda one: _status(server, one), part), strict=True):
                found[status] += 1
                if status < 200 or (status >= 500 and status != 503):
                    wrong.append((status, request[:300]))
            memory = memory or server.memory
    print(f"{COUNT} requests, seed {SEED}: {dict(sorted(found.items()))}, {server.memory / memory:.3f} of the memory")
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
    assert found[200] > COUNT // 50
    assert server.memory < MOST_GROWTH * memory
    assert server.metric("forebay_body_bytes_in_flight") == 0
    assert "Traceback" not in server.log.read_text()
