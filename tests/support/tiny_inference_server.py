"""Bundles of random networks, and a server process that serves them."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from forebay.contracts.bundles.spec import ModelSpec
from forebay.serving.ports import bind
from forebay.serving.state import DesiredModel


def write_bundle(
    folder: Path,
    *,
    seed: int = 0,
    shape: tuple[int, int, int] = (8, 8, 1),
    classes: int | list[str] = 10,
    width: int = 16,
    **more: Any,
) -> ModelSpec:
    """Write a bundle with an untrained `mlp` for images of `shape` (H, W, C); `more` goes into its `ModelSpec`.

    `classes` are their names, or how many there are.
    """
    import torch

    from forebay.models import build, save_bundle

    height, wide, channels = shape
    names = [f"class-{index}" for index in range(classes)] if isinstance(classes, int) else classes
    torch.manual_seed(seed)
    options = {"width": width, "dropout": 0.0}
    network = build("mlp", options, channels, height, wide, len(names))
    spec = ModelSpec(
        architecture="mlp", options=options, classes=names,
        height=height, width=wide, channels=channels, mean=[0.5] * channels, std=[0.25] * channels,
        weights_sha256="", data={"name": "tiny", "digest": "d" * 64}, lineage={"code_version": "test"}, **more,
    )  # fmt: skip
    return save_bundle(folder, spec, network.state_dict())


def write_desired_model(folder: Path, version: str, *, seed: int = 0, **shape: Any) -> DesiredModel:
    """Write a bundle and describe it as a desired model."""
    spec = write_bundle(folder, seed=seed, **shape)
    return DesiredModel(bundle=str(folder), version=version, weights_sha256=spec.weights_sha256)


@dataclass
class Reply:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def read_reply(port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
    """Send one request to a server on loopback, and read its response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, response.read())
    finally:
        connection.close()


@dataclass
class RunningServer:
    """A server process of a test."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        return read_reply(self.port, method, path, body, headers or {})

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        return self.request("POST", path, body, {"Content-Type": "application/json"} | (headers or {}))

    def predict(self, name: str, instances: Any) -> Any:
        reply = self.post(f"/v1/models/{name}:predict", json.dumps({"instances": instances}).encode())
        assert reply.status == 200, reply.body
        return reply.json["predictions"]

    @property
    def memory(self) -> int:
        """Bytes of resident memory of the process."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def metric(self, line: str) -> float:
        """The value in the line of `/metrics` that begins with `line`."""
        text = self.request("GET", "/metrics").body.decode()
        return next((float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(f"{line} ")), 0.0)

    def terminate(self) -> None:
        os.kill(self.process.pid, signal.SIGTERM)


def read_response(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        assert more, f"the connection was dropped after {data!r}"
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    while len(body) < int(headers["content-length"]):
        more = client.recv(65536)
        assert more, "the connection was dropped inside the answer"
        body += more
    return int(lines[0].split()[1]), headers, body


@contextlib.contextmanager
def server_process(
    folder: Path,
    log: Path,
    *options: str,
    python: tuple[str, ...] = (),
    settings: Mapping[str, int | str] | None = None,
    ready: str = "/v2/health/ready",
) -> Iterator[RunningServer]:
    """Run `python -m forebay.serving` on a folder of bundles, and wait until it is ready.

    Args:
        folder: of bundles.
        log: receives what it prints.
        options: more of its options.
        python: options of the interpreter.
        settings: those of `serve`.
        ready: the path whose 200 is waited for.
    """
    variables = {f"FOREBAY_SERVE_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    with bind("127.0.0.1", 0) as listener, log.open("wb") as output:
        port = listener.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, *python, "-m", "forebay.serving", "--models", str(folder),
             "--listen-fd", str(listener.fileno()), *options],
            env=os.environ | variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            pass_fds=[listener.fileno()],
        )  # fmt: skip
    server = RunningServer(process, port, log)
    try:
        _wait_until_ready(server, ready)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: RunningServer, path: str) -> None:
    end = time.monotonic() + 240  # two seconds on a quiet machine; a shared one may take minutes
    while time.monotonic() < end:
        assert server.process.poll() is None, server.log.read_text()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if server.request("GET", path).status == 200:
                return
        time.sleep(0.02)
    raise AssertionError(f"not ready: {server.log.read_text()}")
