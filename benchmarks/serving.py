"""The server's CPU time per request: Forebay, a raw uvicorn application that decodes the same, and the KServe SDK.

The null model shows the servers alone, the real ones what a client gets: LeNet-5 at 28x28 and ResNet-18 at 224x224.
"""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from benchmarks.case import Case
from benchmarks.serving_process import NAME, NULL, Shape, model
from forebay.serving.ports import bind

CONNECTIONS = 4
WARM_UP_REQUESTS = 8
READY_TIMEOUT_S = 120
WHO = {"forebay": "forebay", "uvicorn": "raw uvicorn", "sdk": "stock KServe SDK"}


@dataclass(frozen=True)
class Comparison:
    """One model at one size, and the servers that answer with it."""

    size: str
    shape: Shape
    model: str
    requests: int  # of a round
    servers: tuple[str, ...] = tuple(WHO)


COMPARISONS = (
    Comparison("28x28", (28, 28, 1), NULL, 800),
    Comparison("3x224x224", (224, 224, 3), NULL, 40),
    Comparison("28x28", (28, 28, 1), "lenet5", 800),
    Comparison("3x224x224", (224, 224, 3), "resnet18", 8, ("forebay", "sdk")),
)


@dataclass(frozen=True)
class BenchmarkRequest:
    """One image as V1 JSON or as a V2 binary tensor, and the class that the model must predict."""

    path: str
    body: bytes
    headers: dict[str, str]
    expected_label: int


@contextlib.contextmanager
def cases() -> Iterator[list[Case]]:
    """Start the servers, which run while the cases are measured."""
    with contextlib.ExitStack() as stack:
        all_cases = []
        for comparison in COMPARISONS:
            servers = {who: stack.enter_context(running_server(who, comparison)) for who in comparison.servers}
            for form, request in requests_of(comparison).items():
                for who, (pid, port) in servers.items():
                    all_cases.append(_case(comparison, form, who, request, pid, port))
        yield all_cases


def _case(comparison: Comparison, form: str, who: str, request: BenchmarkRequest, pid: int, port: int) -> Case:
    def check() -> None:
        assert _send_requests(port, request, WARM_UP_REQUESTS) == {request.expected_label}

    def measure() -> float:
        before = _cpu_seconds(pid)
        _send_requests(port, request, comparison.requests)
        return (_cpu_seconds(pid) - before) / comparison.requests * 1e6

    return Case(
        group=f"server CPU per request, {comparison.model} model, {comparison.size} {form}", name=WHO[who], unit="µs",
        better="lower", check=check, measure=measure,
    )  # fmt: skip


def requests_of(comparison: Comparison) -> dict[str, BenchmarkRequest]:
    """One request for each form of a body."""
    shape = comparison.shape
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    label = int(model(comparison.model, shape)(image[None]).argmax())
    raw = image.tobytes()
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, *shape], "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
    octets = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    body = json.dumps({"instances": [image.tolist()]}).encode()
    return {
        "JSON": BenchmarkRequest(f"/v1/models/{NAME}:predict", body, {"Content-Type": "application/json"}, label),
        "binary": BenchmarkRequest(f"/v2/models/{NAME}/infer", head + raw, octets, label),
    }


def _send_requests(port: int, request: BenchmarkRequest, times: int) -> set[int]:
    """Send the request so many times over several connections at once; returns the classes in their last responses."""
    with ThreadPoolExecutor(CONNECTIONS) as clients:
        sent = [clients.submit(_send, port, request, times // CONNECTIONS) for _ in range(CONNECTIONS)]
        return {each.result() for each in sent}


def _send(port: int, request: BenchmarkRequest, times: int) -> int:
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
def running_server(who: str, comparison: Comparison) -> Iterator[tuple[int, int]]:
    """A server with the comparison's model: its process and its port."""
    with bind("127.0.0.1", 0) as listener:
        port, descriptor = listener.getsockname()[1], listener.fileno()
        if who == "sdk":  # it binds by itself
            listener.close()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving_process", who, str(port if who == "sdk" else descriptor),
             comparison.model, *map(str, comparison.shape)],
            pass_fds=[] if who == "sdk" else [descriptor], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_until_ready(process, port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Wait for the first answer of a server; it may take as long as importing everything takes."""
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
