"""The ASGI layer in front of the KServe SDK's application.

It answers the two inference paths itself, because the SDK turns binary tensors into Python lists, has no limit on
bodies and answers 500 to what it does not foresee. Reading (health, readiness, metadata, metrics) goes to the SDK.
Loading and unloading over HTTP is refused: it has no authentication.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import orjson
from kserve.metrics import POST_HIST_TIME, PRE_HIST_TIME, PREDICT_HIST_TIME

from forebay.pictures import Preparation
from forebay.serving.metrics import UNKNOWN, count_request
from forebay.serving.repository import Models, ServedModel
from forebay.serving.wire import codec
from forebay.serving.wire.body import ClientGoneError, Message, Receive, discard, read_body
from forebay.serving.wire.refusal import RefusedError, shown

logger = logging.getLogger(__name__)

Send = Callable[[Message], Awaitable[None]]
Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_BODY_BYTES = 64 << 20
JSON = b"application/json"
BINARY = b"application/octet-stream"
METRICS = "/metrics"
# What `curl -d` says unless told otherwise is accepted, as KServe does; what is surely no tensor is not.
MEDIA = (JSON, BINARY, b"application/x-www-form-urlencoded", b"text/json", b"")

_INFERENCE = re.compile(
    r"/(?P<protocol>v1)/models/(?P<v1>[^/]+):predict|"
    r"/(?P<v2>v2)/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer"
)
_MODEL = re.compile(
    r"(?P<model>/(?P<protocol>v[12])/models/(?P<name>[^/]+))(?:/versions/(?P<version>[^/]+))?(?P<rest>/ready)?"
)
PATHS = "POST /v1/models/NAME:predict or /v2/models/NAME/infer; GET /v2/models/NAME, /v2/health/ready or /metrics"


@dataclass(frozen=True)
class Target:
    """Which model an inference request is for."""

    protocol: str  # v1 or v2
    name: str
    version: str | None = None


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)


class _Begun:
    """A `send` that knows whether an answer has begun; a second one must not follow it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


class FrontDoor:
    """An ASGI application: inference here, everything else in the SDK's application."""

    def __init__(self, models: Models, sdk: Application, pool: Executor, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._models = models
        self._sdk = sdk
        self._pool = pool
        self._max_body_bytes = max_body_bytes
        self.requests = 0  # so far
        self.closing = False  # set when the server stops: every answer then asks the client to connect anew

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.requests += 1
        begun = _Begun(send)
        try:
            await self._route(scope, receive, begun)
        except ClientGoneError:
            pass
        except Exception as error:  # ours to mend; uvicorn alone would drop the connection or answer in another form
            logger.exception("%s %s could not be answered", scope["method"], shown(scope["path"]))
            if not begun.started:
                text = f"{type(error).__name__} in the server; its log says where."
                await self._send(send, _error(500, text), unread=receive)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = _target(scope["path"])
        try:
            if target is None:
                await self._sdk(self._for_sdk(scope), receive, self._closing(send))
            else:
                await self._infer(target, scope, receive, send)
        except RefusedError as refusal:  # before the body was read to its end
            await self._send(send, _refused(refusal), unread=receive)

    async def _infer(self, target: Target, scope: Scope, receive: Receive, send: Send) -> None:
        start = time.perf_counter()
        model = self._models.get(target.name)
        label = UNKNOWN if model is None else target.name
        try:
            headers = dict(scope["headers"])
            _check_head(scope["method"], headers)
            body = await read_body(receive, _content_length(headers), self._max_body_bytes)
        except RefusedError as refusal:
            count_request(label, target.protocol, refusal.status, time.perf_counter() - start)
            raise
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self._pool, self._answer, target, model, headers, body)
        count_request(label, target.protocol, response.status, time.perf_counter() - start)
        await self._send(send, response)

    def _answer(self, target: Target, model: ServedModel | None, headers: dict[bytes, bytes], body: bytes) -> Response:
        """Decode, predict and encode in a thread of the pool, so that large pictures never hold up the event loop."""
        try:
            found = self._check_model(target, model)
            return _predict_v1(found, body) if target.protocol == "v1" else _predict_v2(found, headers, body)
        except RefusedError as refusal:
            return _refused(refusal)
        except Exception as error:
            logger.exception("%s: a request could not be answered", target.name)
            return _error(500, f"{type(error).__name__} while predicting; the server's log says where.")

    def _check_model(self, target: Target, model: ServedModel | None) -> ServedModel:
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
        if scope["path"].startswith("/v2/repository/"):
            raise RefusedError(
                "Models are loaded and unloaded with `forebay run` and `forebay rollback`, not by HTTP.", 403
            )
        if scope["method"] not in ("GET", "HEAD"):
            raise RefusedError(f"There is no {scope['method']} {shown(scope['path'])}. Use {PATHS}.", 404)
        if scope["path"] == METRICS:  # prometheus_client fails on a version that is no number, so it sees no wishes
            return scope | {"headers": [(name, value) for name, value in scope["headers"] if name != b"accept"]}
        asked = _MODEL.fullmatch(scope["path"])
        if asked is None:
            return scope
        # The SDK knows no versions, and writes a traceback to the log for every model that it does not have.
        target = Target(asked["protocol"], asked["name"], asked["version"])
        self._check_model(target, self._models.get(target.name))
        return scope | {"path": asked["model"] + (asked["rest"] or "")}

    def _closing(self, send: Send) -> Send:
        async def send_and_close(message: Message) -> None:
            if self.closing and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"connection", b"close")]
            await send(message)

        return send_and_close if self.closing else send

    async def _send(self, send: Send, response: Response, unread: Receive | None = None) -> None:
        headers = [(b"content-length", str(len(response.body)).encode()), *response.headers]
        if self.closing or unread is not None:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": unread is not None})
        if unread is not None:
            await discard(unread)
            await send({"type": "http.response.body", "body": b""})


def _target(path: str) -> Target | None:
    match = _INFERENCE.fullmatch(path)
    if match is None:
        return None
    if match["protocol"]:
        return Target("v1", match["v1"])
    return Target("v2", match["name"], match["version"])


def _check_head(method: str, headers: dict[bytes, bytes]) -> None:
    if method != "POST":
        raise RefusedError(f"expected POST, got {method}.", 405, ((b"allow", b"POST"),))
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity":
        raise RefusedError(
            f"expected an uncompressed body, got Content-Encoding {shown(encoding.decode('latin-1'))}.", 415
        )
    media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media not in MEDIA:
        raise RefusedError(
            f"expected Content-Type {JSON.decode()} or {BINARY.decode()}, got {shown(media.decode('latin-1'))}.", 415
        )


def _content_length(headers: dict[bytes, bytes]) -> int | None:
    found = headers.get(b"content-length")
    return None if found is None else int(found)  # the HTTP parser lets only digits through


def _predict_v1(model: ServedModel, body: bytes) -> Response:
    shape = _shape(model)
    with PRE_HIST_TIME.labels(model.name).time():
        images = codec.decode_v1(body, shape, _preparation(model))
    prediction = _predict(model, images)
    with POST_HIST_TIME.labels(model.name).time():
        return Response(200, codec.encode_v1(prediction), [(b"content-type", JSON)])


def _predict_v2(model: ServedModel, headers: dict[bytes, bytes], body: bytes) -> Response:
    length = headers.get(b"inference-header-content-length")
    with PRE_HIST_TIME.labels(model.name).time():
        request = codec.decode_v2(body, None if length is None else length.decode("latin-1"), _shape(model))
    prediction = _predict(model, request.images_NHWC)
    with POST_HIST_TIME.labels(model.name).time():
        encoded, json_length = codec.encode_v2(request, prediction)
    if json_length is None:
        return Response(200, encoded, [(b"content-type", JSON)])
    head = (b"inference-header-content-length", str(json_length).encode())
    return Response(200, encoded, [(b"content-type", BINARY), head])


def _predict(model: ServedModel, images_NHWC: Any) -> codec.Prediction:
    with PREDICT_HIST_TIME.labels(model.name).time():
        probabilities = model.classifier.predict(images_NHWC)
    return codec.Prediction(
        model=model.name,
        version=model.served.version,
        classes=model.classifier.spec.classes,
        probabilities=probabilities,
    )


def _shape(model: ServedModel) -> tuple[int, int, int]:
    spec = model.classifier.spec
    return spec.height, spec.width, spec.channels


def _preparation(model: ServedModel) -> Preparation:
    spec = model.classifier.spec
    return Preparation(fit=spec.fit, bits=spec.bits)


def _refused(refusal: RefusedError) -> Response:
    return _error(refusal.status, str(refusal), list(refusal.headers))


def _error(status: int, message: str, headers: Headers | None = None) -> Response:
    return Response(status, orjson.dumps({"error": message}), [(b"content-type", JSON), *(headers or [])])
