"""An API server on the wire, as far as a rollout or a job sees it: custom objects, pods, logs; no controller behind it.

What KServe and the like and the kubelet would make of an applied object is a plan of the test's.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from forebay.kube.client import Api, connect
from forebay.kube.retries import WORK_S, Patience
from support.connection_faults import Wire
from support.loopback_server import QuietHandler, kubeconfig, serving

Object = dict[str, Any]
Plan = Callable[[Object], tuple[Object, list[Object]]]  # from an applied object to its status and its pods


@dataclass
class ApiDouble:
    """What is there, what was asked, and what becomes of what is applied."""

    plan: Plan
    services: dict[str, Object] = field(default_factory=dict)
    pods: list[Object] = field(default_factory=list)
    later: list[tuple[Object, list[Object]]] = field(default_factory=list)  # status and pods from each next look on
    events: list[Object] = field(default_factory=list)
    log: str = ""
    refuses: tuple[int, str] | None = None  # status and message of every answer
    refuses_once: tuple[int, str] | None = None  # of the next one alone
    lacks: bool = False  # the custom kinds
    calls: list[str] = field(default_factory=list)
    url: str = ""
    wire: Wire = field(default_factory=Wire)

    def answer(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        """One request."""
        words = path.strip("/").split("/")
        refusal, self.refuses_once = self.refuses or self.refuses_once, None
        if not refusal and self.lacks and words[0] == "apis":
            refusal = (404, "the server could not find the requested resource")
        if refusal:
            return refusal[0], {"kind": "Status", "message": refusal[1]}
        if words[-1] == "log":
            return 200, self.log
        if words[-1] in ("pods", "events"):
            return 200, {"items": self.pods if words[-1] == "pods" else self.events}
        return (200, "") if "watch" in query else self._custom(verb, words[-1], body)  # nothing changes while watched

    def _custom(self, verb: str, name: str, body: bytes) -> tuple[int, Any]:
        self.calls.append(f"{verb} {name}")
        if verb == "PATCH":
            self._apply(name, json.loads(body))
        elif verb == "DELETE":
            self.services.pop(name, None)
            self.pods = []
        elif name not in self.services:
            return 404, {"kind": "Status", "message": f'inferenceservices.serving.kserve.io "{name}" not found'}
        elif self.later and "status" in self.services[name]:
            self.services[name]["status"], self.pods = self.later.pop(0)
        return 200, self.services.get(name, {})

    def kubeconfig(self) -> Object:
        """By which a client finds it."""
        return kubeconfig(self.url)

    def _apply(self, name: str, wanted: Object) -> None:
        generation = self.services.get(name, {}).get("metadata", {}).get("generation", 0) + 1
        facts = {"uid": "u", "resourceVersion": str(100 + generation), "generation": generation}
        status, self.pods = self.plan(wanted)
        self.services[name] = {**wanted, "metadata": {**wanted["metadata"], **facts}, "status": status}


def connected(double: ApiDouble, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A connection to it, through a kubeconfig in the folder, as outside a pod."""
    (folder / "config").write_text(json.dumps(double.kubeconfig()))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(folder / "config"))
    return connect(bears=Patience(WORK_S, lambda text: None))


@contextmanager
def api_double(plan: Plan) -> Iterator[ApiDouble]:
    """Run one on a free port of loopback."""
    double = ApiDouble(plan)

    class Handler(QuietHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def act() -> tuple[int, bytes, str]:
                code, value = double.answer(self.command, parts.path, parse_qs(parts.query), body)
                return code, (value if isinstance(value, str) else json.dumps(value)).encode(), "application/json"

            double.wire.serve(self, act)

        do_GET = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    with serving(Handler) as double.url:
        yield double
