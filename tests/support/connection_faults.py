"""A wire that breaks: which request of a server's meets what, in place of its answer or after its work is done."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3

from support.loopback_server import QuietHandler, serving

# In kubernetes' own words (plugin/pkg/auth/authorizer/rbac), as a server says them that has not read its roles yet.
ROLELESS = (
    'inferenceservices.serving.kserve.io "digits" is forbidden: User "system:serviceaccount:kubeflow:pipeline-runner" '
    'cannot get resource "inferenceservices" in API group "serving.kserve.io" in the namespace "ml": RBAC: '
    '[clusterrole.rbac.authorization.k8s.io "system:basic-user" not found, role.rbac.authorization.k8s.io '
    '"forebay-deployer" not found]'
)
RETRY_AFTER_S = 7  # where the test's clock is put forward by it; a real client really waits
OF_CONNECTION = ("host", "connection", "content-length", "accept-encoding")  # headers
KINDS = (
    "reset",  # before the server has read it
    "unanswered",  # after it was done
    "half",  # the same, in the middle of the answer
    "busy",  # 429, with the time after which to ask again
    "unavailable",  # 503
    "roleless",  # 403 of a server that starts
)


@dataclass
class Wire:
    """What was asked over it, and what it does to requests."""

    kind: str = ""  # one of KINDS
    at: int = -1  # the request that meets it, the first being 0
    each: bool = False  # the first try of every request meets it instead
    asked: list[str] = field(default_factory=list)
    cuts: int = 0
    retry_after_s: int = RETRY_AFTER_S
    url: str = ""

    def serve(self, handler: QuietHandler, act: Callable[[], tuple[int, bytes, str]]) -> None:
        """Answer a request, or not.

        Args:
            handler: of the request.
            act: does its work; status, body and kind of the answer.
        """
        asked = f"{handler.command} {handler.path}"
        cut = asked not in self.asked if self.each else len(self.asked) == self.at
        self.asked.append(asked)
        if not cut:
            handler.send(*act())
            return
        self.cuts += 1
        if self.kind == "reset":
            _reset(handler)
        elif self.kind in ("unanswered", "half"):
            code, body, kind = act()
            if self.kind == "half":
                _begin(handler, code, body, kind)
            _reset(handler)
        else:
            _refuse(handler, self.kind, self.retry_after_s)


@contextmanager
def wired(server: str) -> Iterator[Wire]:
    """A wire to a real HTTP server."""
    wire = Wire(retry_after_s=0)
    pool = urllib3.PoolManager()

    class Handler(QuietHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_CONNECTION}

            def act() -> tuple[int, bytes, str]:
                said = pool.request(self.command, server + self.path, body=body, headers=headers)
                return said.status, said.data, said.headers.get("Content-Type", "application/json")

            wire.serve(self, act)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - http.server's names

    with serving(Handler) as wire.url:
        yield wire


def _refuse(handler: QuietHandler, kind: str, retry_after_s: int) -> None:
    code, words = {
        "busy": (429, "too many requests, please try again later"),
        "unavailable": (503, "the server is currently unable to handle the request"),
        "roleless": (403, ROLELESS),
    }[kind]
    body = json.dumps({"kind": "Status", "message": words}).encode()
    handler.send_response(code)
    if kind == "busy":
        handler.send_header("Retry-After", str(retry_after_s))
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _begin(handler: QuietHandler, code: int, body: bytes, kind: str) -> None:
    handler.send_response(code)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) + 1))  # of an empty one half is missing as well
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def _reset(handler: QuietHandler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
