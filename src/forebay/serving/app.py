"""The ASGI layer in front of the KServe SDK's application.

It answers the two inference paths itself, because the SDK turns binary tensors into Python lists, has no limit on
bodies and answers 500 to what it does not foresee. Reading (health, readiness, metadata, metrics) goes to the SDK.
Loading and unloading over HTTP is refused: it has no authentication. Who may ask at all is `wire.access`'s to say.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from forebay.serving.admission.admission import Admission
from forebay.serving.admission.inflight import Claim, TooLargeError
from forebay.serving.admission.shed import Shed, shed
from forebay.serving.answer import JSON, Headers, Response, check_head, error, predict_v1, predict_v2, refused
from forebay.serving.http.access import Access
from forebay.serving.http.body import Message, Receive, discard, read_body
from forebay.serving.http.compressed import decompressed, encoding_of
from forebay.serving.http.gone import PEER, ClientGoneError, Peer
from forebay.serving.http.headers import joined
from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.metrics import UNKNOWN, count_request
from forebay.serving.openapi import READ
from forebay.serving.repository import Models, ServedModel

logger = logging.getLogger(__name__)

Send = Callable[[Message], Awaitable[None]]
Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES = 64 << 20
INDEX_BODY_BYTES = 1 << 16
METRICS = "/metrics"
REPOSITORY = "/v2/repository/"
INDEX = "/v2/repository/index"

_INFERENCE = re.compile(
    r"/(?P<protocol>v1)/models/(?P<v1>[^/]+):predict|"
    r"/(?P<v2>v2)/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer"
)
_MODEL = re.compile(
    r"(?P<v1>/v1/models/(?P<v1_name>[^/]+))|"
    r"(?P<v2>/v2/models/(?P<v2_name>[^/]+))(?:/versions/(?P<version>[^/]+))?(?P<rest>/ready)?"
)
_READ = re.compile("|".join(re.sub(r"\{\w+\}", "[^/:]+", path).replace(".", r"\.") for path in READ))
PREDICT = "POST /v1/models/NAME:predict or /v2/models/NAME/infer"
PATHS = f"{PREDICT}; GET /v2/models/NAME, /v2/health/ready or /metrics"


@dataclass(frozen=True)
class Target:
    """Which model an inference request is for."""

    protocol: str  # v1 or v2
    name: str
    version: str | None = None


@dataclass(frozen=True)
class _Asked:
    """An inference request whose body has come."""

    target: Target
    headers: dict[bytes, bytes]
    media: bytes
    encoding: str
    body: bytes


class _Begun:
    """A `send` that knows whether an answer has begun; a second one must not follow it."""

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send = send
        self._headers = headers  # of every answer, whatever it is
        self.started = False

    async def __call__(self, message: Message) -> None:
        if self._headers and not self.started:
            message["headers"] = [*message.get("headers", []), *self._headers]
        self.started = True
        await self._send(message)


class FrontDoor:
    """An ASGI application: inference here, everything else in the SDK's application."""

    def __init__(
        self,
        models: Models,
        sdk: Application,
        access: Access,
        admission: Admission,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        self._models = models
        self._sdk = sdk
        self.admission = admission
        self._access = access
        self._max_body_bytes = max_body_bytes
        self.requests = 0  # so far
        self.ended = False  # set when nothing more is answered
        self.closing = False  # set when the server stops: every answer then asks the client to connect anew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.requests += 1
        headers = joined(scope["headers"])
        begun = _Begun(send, self._access.shared(headers.get(b"origin")))
        try:
            await self._route(scope, headers, receive, begun)
        except ClientGoneError:
            pass
        except Exception as problem:  # ours to mend; uvicorn alone would drop the connection or answer in another form
            logger.exception("%s %s could not be answered", scope["method"], shown(scope["path"]))
            if not begun.started:
                text = f"{type(problem).__name__} in the server; its log says where."
                await self._send(begun, error(500, text), unread=receive)

    async def _route(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        target = _target(scope["path"])
        try:
            self._access.check(headers)
            if scope["method"] == "OPTIONS":
                await self._send(send, Response(204, b"", self._access.preflight(headers)))
            elif target is not None:
                await self._infer(target, scope["method"], headers, receive, send, _peer(scope))
            elif scope["path"] == INDEX:
                await self._index(scope["method"], headers, receive, send, _peer(scope))
            else:
                await self._sdk(self._for_sdk(scope), receive, self._closing(send))
        except RefusedError as refusal:  # before the body was read to its end
            await self._send(send, refused(refusal), unread=receive)

    async def _infer(
        self, target: Target, method: str, headers: dict[bytes, bytes], receive: Receive, send: Send, peer: Peer
    ) -> None:
        start = time.perf_counter()
        model = self._models.get(target.name)
        label = UNKNOWN if model is None else target.name
        with Claim(self.admission.budgets, peer) as claim:
            try:
                media, encoding = check_head(method, headers), encoding_of(headers.get(b"content-encoding"))
                body = await self._read(receive, headers, self._max_body_bytes, claim)
            except RefusedError as refusal:
                count_request(label, target.protocol, refusal.status, time.perf_counter() - start)
                raise
            asked = _Asked(target, headers, media, encoding, body)
            claim.is_large = len(body) > self.admission.limits.small_bytes
            try:
                response = await self.admission.run(claim, lambda: self._answer(asked, model, claim))
            except RefusedError as refusal:
                response = refused(refusal)
        count_request(label, target.protocol, response.status, time.perf_counter() - start)
        await self._send(send, response)

    async def _read(self, receive: Receive, headers: dict[bytes, bytes], most: int, claim: Claim) -> bytes:
        if self.ended:
            raise shed(Shed.ENDING)
        return await read_body(receive, _content_length(headers), most, claim, self.admission.limits)

    def _answer(self, asked: _Asked, model: ServedModel | None, claim: Claim) -> Response:
        """Decode, predict and encode in a thread of the pool, so that large images never hold up the event loop.

        Raises:
            TooLargeError: it needs too much for a small request, and waits for the large ones' turn.
            ClientGoneError: nobody waits for the answer.
        """
        try:
            found = self._check_model(asked.target, model)
            body = decompressed(asked.body, asked.encoding, self._max_body_bytes, claim)
            if asked.target.protocol == "v1":
                return predict_v1(found, asked.media, body, claim)
            return predict_v2(found, asked.media, asked.headers, body, claim)
        except RefusedError as refusal:
            return refused(refusal)
        except (TooLargeError, ClientGoneError):
            raise
        except Exception as problem:
            logger.exception("%s: a request could not be answered", asked.target.name)
            return error(500, f"{type(problem).__name__} while predicting; the server's log says where.")

    async def _index(self, method: str, headers: dict[bytes, bytes], receive: Receive, send: Send, peer: Peer) -> None:
        """The models of the repository, as Triton's clients ask for them."""
        if method != "POST":
            raise RefusedError(f"expected POST, got {method}.", 405, ((b"allow", b"POST"),))
        encoding = encoding_of(headers.get(b"content-encoding"))
        with Claim(self.admission.budgets, peer) as claim:
            body = await self._read(receive, headers, INDEX_BODY_BYTES, claim)
        body = decompressed(body, encoding, INDEX_BODY_BYTES)
        try:
            asked = orjson.loads(body or b"{}")
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            raise RefusedError('expected no body or a JSON object such as {"ready": true}.')
        rows = self._rows(only_ready=asked.get("ready") is True)
        await self._send(send, Response(200, orjson.dumps(rows), [(b"content-type", JSON)]))

    def _rows(self, *, only_ready: bool) -> list[dict[str, str]]:
        """One row of the repository index for each model that answers, or should."""
        found = [(name, model) for name in self._models.names() if (model := self._models.get(name)) is not None]
        rows = [
            {"name": name, "version": model.served.version, "state": "READY", "reason": ""} for name, model in found
        ]
        if only_ready:
            return rows
        reason = "it is not loaded, or cannot be; the server's log says why"
        missing = self._models.missing().items()
        return rows + [
            {"name": name, "version": version, "state": "UNAVAILABLE", "reason": reason} for name, version in missing
        ]

    def _check_model(self, target: Target, model: ServedModel | None) -> ServedModel:
        wanted = self._models.missing().get(target.name) if model is None else None
        if wanted is not None:
            raise RefusedError(
                f"{target.name} is wanted in version {wanted}, and that is not loaded, or cannot be; the server's log "
                "says why.",
                503,
            )
        if model is None:
            names = ", ".join(self._models.names()) or "none"
            raise RefusedError(f"There is no model {shown(target.name)}. Models: {names}.", 404)
        if target.version not in (None, model.served.version):
            raise RefusedError(
                f"{target.name} serves version {model.served.version}, not {shown(target.version)}. Leave the version "
                "out of the path to ask whichever is current.",
                404,
            )
        return model

    def _for_sdk(self, scope: Scope) -> Scope:
        if scope["path"].startswith(REPOSITORY):
            raise RefusedError(
                "Models are loaded and unloaded with `forebay run` and `forebay rollback`, not by HTTP.", 403
            )
        if scope["method"] not in ("GET", "HEAD"):
            if _READ.fullmatch(scope["path"]):
                raise RefusedError(
                    f"expected GET or HEAD, got {scope['method']}. Predict with {PREDICT}.",
                    405,
                    ((b"allow", b"GET, HEAD"),),
                )
            raise RefusedError(f"There is no {scope['method']} {shown(scope['path'])}. Use {PATHS}.", 404)
        scope = scope | {"method": "GET"}  # the SDK knows no HEAD; uvicorn sends no body where one was asked for
        if scope["path"] == METRICS:  # prometheus_client fails on a version that is no number, so it sees no wishes
            return scope | {"headers": [(name, value) for name, value in scope["headers"] if name != b"accept"]}
        asked = _MODEL.fullmatch(scope["path"])
        if asked is None:
            return scope
        # The SDK knows no versions, and writes a traceback to the log for every model that it does not have.
        target = Target("", asked["v1_name"] or asked["v2_name"], asked["version"])
        self._check_model(target, self._models.get(target.name))
        return scope | {"path": (asked["v1"] or asked["v2"]) + (asked["rest"] or "")}

    def _closing(self, send: Send) -> Send:
        async def send_and_close(message: Message) -> None:
            if self.closing and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        return send_and_close if self.closing else send

    async def _send(self, send: Send, response: Response, unread: Receive | None = None) -> None:
        headers = list(response.headers)
        if response.status != 204:  # which has no body by definition
            headers.append((b"content-length", str(len(response.body)).encode()))
        if self.closing or unread is not None:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": unread is not None})
        if unread is not None:
            await discard(unread, self.admission.limits.discard_s)
            await send({"type": "http.response.body", "body": b""})


def _peer(scope: Scope) -> Peer:
    """Who asks; the connection says it."""
    peer: Peer | None = scope.get("state", {}).get(PEER)
    return peer or Peer()


def _target(path: str) -> Target | None:
    match = _INFERENCE.fullmatch(path)
    if match is None:
        return None
    if match["protocol"]:
        return Target("v1", match["v1"])
    return Target("v2", match["name"], match["version"])


def _content_length(headers: dict[bytes, bytes]) -> int | None:
    found = headers.get(b"content-length")
    return None if found is None else int(found)  # the HTTP parser lets only digits through
