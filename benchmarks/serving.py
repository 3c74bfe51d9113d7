"""The server's CPU time per request: Forebay against the stock KServe SDK, JSON and binary, small and large images."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Case
from benchmarks.serving_process import NAME, probabilities
from forebay.serving.ports import bind

SHAPES = {"28x28": (28, 28, 1), "3x224x224": (224, 224, 3)}
REQUESTS = {"28x28": 500, "3x224x224": 20}
WARM_UP_REQUESTS = 5
READY_TIMEOUT_S = 120


@dataclass(frozen=True)
class BenchmarkRequest:
    """One image as V1 JSON or as a V2 FP32 binary tensor, and the class that the model must predict."""

    path: str
    body: bytes
    headers: dict[str, str]
    expected_label: int


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Start two servers per image size, which run while the cases are measured."""
    with contextlib.ExitStack() as stack:
        all_cases = []
        for size, shape in SHAPES.items():
            servers = {who: stack.enter_context(_server(who, shape)) for who in ("forebay", "sdk")}
            for form, request in _requests(shape).items():
                for who, (pid, port) in servers.items():
                    all_cases.append(_case(size, form, who, request, pid, port, REQUESTS[size]))
        yield all_cases


def _case(size: str, form: str, who: str, request: BenchmarkRequest, pid: int, port: int, times: int) -> Case:
    name = "forebay" if who == "forebay" else "stock KServe SDK"

    def check() -> None:
        assert _send_requests(port, request, WARM_UP_REQUESTS) == request.expected_label

    def measure() -> float:
        before = _cpu_seconds(pid)
        _send_requests(port, request, times)
        return (_cpu_seconds(pid) - before) / times * 1e6

    return Case(
        group=f"server CPU per request, {size} {form}", name=name, unit="µs", better="lower",
        check=check, measure=measure,
    )  # fmt: skip


def _requests(shape: tuple[int, int, int]) -> dict[str, BenchmarkRequest]:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    label = int(probabilities(image[None]).argmax())
    raw = image.astype("<f4").tobytes()
    tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, *shape], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
    octets = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    body = json.dumps({"instances": [image.tolist()]}).encode()
    return {
        "JSON": BenchmarkRequest(f"/v1/models/{NAME}:predict", body, {"Content-Type": "application/json"}, label),
        "binary": BenchmarkRequest(f"/v2/models/{NAME}/infer", head + raw, octets, label),
    }


def _send_requests(port: int, request: BenchmarkRequest, times: int) -> int:
    """Send the request so many times on one connection; returns the class in the last response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for _ in range(times):
            connection.request("POST", request.path, request.body, request.headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body[:500]
    finally:
        connection.close()
    document = json.loads(body)
    if "predictions" in document:
        return int(document["predictions"][0]["label"])
    return int(np.argmax(document["outputs"][0]["data"]))


@contextlib.contextmanager
def _server(who: str, shape: tuple[int, int, int]) -> Iterator[tuple[int, int]]:
    with bind("127.0.0.1", 0) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        if who == "sdk":  # it binds by itself
            listener.close()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving_process", who, str(descriptor if who == "forebay" else port),
             *map(str, shape)],
            pass_fds=[descriptor] if who == "forebay" else [], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _wait_until_ready(process, port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_TIMEOUT_S)
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{' '.join(map(str, process.args))} was not ready within {READY_TIMEOUT_S} s")  # type: ignore[arg-type]


def _cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, in nanosecond steps where /proc/PID/stat has 10 ms ones."""
    return time.clock_gettime((~pid << 3) | 2)  # Linux: the id that clock_getcpuclockid(3) gives
