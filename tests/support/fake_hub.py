"""A hub of weights over loopback: it speaks as much of Hugging Face's protocol as a download of one file needs."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from safetensors.torch import save

from forebay.models.timm_import import import_timm

PATHS = "/{repo_id}/resolve/{revision}/{filename}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = "timm/mobilenetv3_small_050"  # the smallest that timm publishes: 1.6 million numbers
REPOSITORY = f"{MODEL}.lamb_in1k"


@dataclass
class FakeHub:
    """What it holds, what it does wrong, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)  # by OWNER/NAME/FILE
    stated_sha256: str = ""  # in place of the right digest
    cut_at: list[int] = field(default_factory=list)  # bytes after which each of the next answers breaks off
    gated: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)  # method and range of each request

    def used(self, monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
        """Let this process's library ask this hub; its constants are read once, from HF_ENDPOINT and HF_HOME."""
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", self.url + PATHS)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.hub.asked.append((self.command, self.headers.get("Range", "")))
        repository, _, rest = self.path[1:].partition("/resolve/")
        name = rest.partition("/")[2]
        data = self.hub.files.get(f"{repository}/{name}")
        if self.hub.gated or data is None:
            self._refuse(repository)
            return
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") :].partition("-")[0])
        part = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{self.hub.stated_sha256 or hashlib.sha256(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(part)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self._send(part)

    def _refuse(self, repository: str) -> None:
        known = any(each.startswith(f"{repository}/") for each in self.hub.files)
        code = "GatedRepo" if self.hub.gated else "EntryNotFound" if known else "RepoNotFound"
        self.send_response(403 if self.hub.gated else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, data: bytes) -> None:
        if self.hub.cut_at:
            self.wfile.write(data[: self.hub.cut_at.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """Serve an empty hub."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            server.shutdown()
            server.block_on_close = False  # a client may keep its connection


def network_file() -> bytes:
    """A safetensors file of that model, with random weights."""
    return save(import_timm().create_model(MODEL.removeprefix("timm/")).state_dict())


@contextmanager
def hub_with_one_network(
    monkeypatch: pytest.MonkeyPatch, cache: str, content: bytes | None = None
) -> Iterator[FakeHub]:
    """Serve a hub that holds the weights of that model, and have this process use it."""
    with running_hub() as hub:
        hub.files[f"{REPOSITORY}/model.safetensors"] = network_file() if content is None else content
        hub.used(monkeypatch, cache)
        yield hub
