"""A Kubernetes API server on the wire: objects from memory, rights, and custom objects that a controller works off."""

import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from forebay.kube.client import KubeClient, connect
from forebay.kube.retries import BACKGROUND_RETRY_S
from support.connection_faults import Wire
from support.fake_kube.objects import STORAGE, Object, ObjectStore, Resources, status
from support.fake_kube.rights import Rights
from support.loopback_server import QuietHandler, kubeconfig, serving
from support.manual_clock import ManualClock

Controller = Callable[[Object], tuple[Object, list[Object]]]  # from an applied object to its status and its pods
Answer = tuple[int, Any]


class FakeKubeApi(ObjectStore):
    """What is there, what was asked, and what becomes of what is applied.

    Attributes:
        controller: what KServe and the like and the kubelet make of an applied custom object; without one the server
            takes no writes.
        custom_objects: what was applied, by name.
        pods, events: those of the custom objects.
        next_states: status and pods from each next look on.
        log: of every pod.
        refusal: status and message of every answer; `next_refusal` of the next one alone.
        calls: what was asked of custom objects; `writes` what was refused as a write.
    """

    def __init__(
        self,
        objects: list[Object] | None = None,
        version: str = "v1.33.0",
        resources: Resources | None = None,
        controller: Controller | None = None,
    ) -> None:
        super().__init__(objects or [], version, resources or STORAGE)
        self.controller = controller
        self.custom_objects: dict[str, Object] = {}
        self.pods: list[Object] = []
        self.events: list[Object] = []
        self.next_states: list[tuple[Object, list[Object]]] = []
        self.log = ""
        self.refusal: tuple[int, str] | None = None
        self.next_refusal: tuple[int, str] | None = None
        self.lacks_custom_kinds = False
        self.rights = Rights()
        self.calls: list[str] = []
        self.writes: list[str] = []
        self.clock_ahead_s = 0.0
        self.wire = Wire()
        self.url = ""

    def kubeconfig(self) -> Object:
        """By which a client finds it."""
        return kubeconfig(self.url)

    def answer(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        """One request, as a real one answers it."""
        refused = self._refused(verb, path)
        if refused:
            return refused[0], status(refused[0], refused[1], refused[1])
        if path.startswith("/apis/auth"):
            return self.rights.review(path.rpartition("/")[2], json.loads(body))
        if self.controller:
            return self._controlled(self.controller, verb, path, query, body)
        return self._stored(verb, path, query, body)

    def _refused(self, verb: str, path: str) -> tuple[int, str] | None:
        refusal, self.next_refusal = self.refusal or self.next_refusal, None
        if refusal:
            return refusal
        if self.lacks_custom_kinds and path.startswith("/apis/"):
            return 404, "the server could not find the requested resource"
        forbidden = self.rights.refusal(verb, path)
        return (403, forbidden) if forbidden else None

    def _stored(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        """A server that nobody may write to."""
        if verb != "GET":
            self.writes.append(f"{verb} {path}")
            return 403, status(403, "Forbidden")
        found = self.look_up(path)
        return (200, found) if found else (404, status(404, "NotFound"))

    def _controlled(
        self, controller: Controller, verb: str, path: str, query: dict[str, list[str]], body: bytes
    ) -> Answer:
        """Custom objects with a controller behind them; nothing changes while one is watched."""
        name = path.rpartition("/")[2]
        if name == "log":
            return 200, self.log
        if name in ("pods", "events"):
            return 200, {"items": self.pods if name == "pods" else self.events}
        if "watch" in query:
            return 200, ""
        self.calls.append(f"{verb} {name}")
        if verb == "PATCH":
            self._apply(controller, name, json.loads(body))
        elif verb == "DELETE":
            self.custom_objects.pop(name, None)
            self.pods = []
        elif name not in self.custom_objects:
            return 404, status(404, "NotFound", f'inferenceservices.serving.kserve.io "{name}" not found')
        elif self.next_states and "status" in self.custom_objects[name]:
            self.custom_objects[name]["status"], self.pods = self.next_states.pop(0)
        return 200, self.custom_objects.get(name, {})

    def _apply(self, controller: Controller, name: str, wanted: Object) -> None:
        generation = self.custom_objects.get(name, {}).get("metadata", {}).get("generation", 0) + 1
        facts = {"uid": "u", "resourceVersion": str(100 + generation), "generation": generation}
        state, self.pods = controller(wanted)
        self.custom_objects[name] = {**wanted, "metadata": {**wanted["metadata"], **facts}, "status": state}


@contextmanager
def fake_kube_api(
    objects: list[Object] | None = None, version: str = "v1.33.0", controller: Controller | None = None
) -> Iterator[FakeKubeApi]:
    """Run one on a free port of loopback."""
    with serve(FakeKubeApi(objects, version, controller=controller)) as running:
        yield running


@contextmanager
def serve(fake: FakeKubeApi, certificate: ssl.SSLContext | None = None) -> Iterator[Any]:
    """Run one on a free port of loopback, with TLS where it has a certificate."""

    class Handler(QuietHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def act() -> tuple[int, bytes, str]:
                code, value = fake.answer(self.command, parts.path, parse_qs(parts.query), body)
                return code, (value if isinstance(value, str) else json.dumps(value)).encode(), "application/json"

            fake.wire.serve(self, act)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + fake.clock_ahead_s)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    with serving(Handler, certificate) as fake.url:
        yield fake


def connected(fake: FakeKubeApi, folder: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> KubeClient:
    """A connection to it, through a kubeconfig in the folder, as outside a pod."""
    (folder / "config").write_text(json.dumps(fake.kubeconfig()))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "config"))
    return connect(retry_budget=clock.retry_budget(BACKGROUND_RETRY_S))
