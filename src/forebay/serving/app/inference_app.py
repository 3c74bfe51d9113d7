"""The ASGI application: the protocols of KServe, V1 and V2.

It takes the place of the KServe SDK's, which turns binary tensors into Python lists, has no limit on bodies and answers
500 to what it does not foresee. Loading and unloading over HTTP is rejected: it has no authentication. `http.access`
decides who may ask at all. What browsers read is in `app.page`.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

import orjson

from forebay.serving.admission.control import AdmissionControl
from forebay.serving.admission.limits import MAX_BODY_BYTES
from forebay.serving.admission.memory_reservation import MemoryReservation, NotInLoopError, NotSmallError
from forebay.serving.admission.remote_client import CLIENT_KEY, ClientDisconnectedError, RemoteClient
from forebay.serving.admission.shedding import ShedReason, shed_error
from forebay.serving.app.get_requests import answer_get
from forebay.serving.app.inference import check_head, predict_v1, predict_v2
from forebay.serving.app.model_lookup import require_model
from forebay.serving.app.openapi import openapi
from forebay.serving.app.page import Page
from forebay.serving.app.repository_index import asks_for_ready_only, index_rows
from forebay.serving.app.routes import INDEX, InferenceTarget, inference_target
from forebay.serving.http.access import AccessPolicy
from forebay.serving.http.asgi import Message, Receive, Scope, Send
from forebay.serving.http.body import discard_body, read_body
from forebay.serving.http.decompress import content_encoding, decompress
from forebay.serving.http.headers import HeaderMap, RawHeaders, content_length, join_headers, require_post
from forebay.serving.http.response import JSON_TYPE, HttpResponse, error_response, rejection_response
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.model_metrics import UNKNOWN_MODEL, ModelMetrics
from forebay.serving.repository.served_model import ServedModel

logger = logging.getLogger(__name__)

INDEX_BODY_BYTES = 1 << 16
LOOP_BODY_BYTES = 1 << 14  # of a request that is answered in the event loop; as JSON they take it a millisecond
CLOSE = (b"connection", b"close")
_UNKNOWN = ModelMetrics(UNKNOWN_MODEL)


@dataclass(frozen=True)
class _InferenceRequest:
    """An inference request whose body was received."""

    target: InferenceTarget
    headers: HeaderMap
    media_type: str
    encoding: str
    body: bytes


class _TrackedSend:
    """A `send` that records whether a response has begun: a second one must not follow it."""

    def __init__(self, send: Send, headers: RawHeaders) -> None:
        self._send = send
        self._headers = headers  # added to every response
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if self._headers and not self.has_started:
            message["headers"] = [*message.get("headers", []), *self._headers]
        self.has_started = True
        await self._send(message)


class InferenceApp:
    """An ASGI application that answers for the models of a manager."""

    def __init__(
        self,
        models: ModelManager,
        access: AccessPolicy,
        admission: AdmissionControl,
        max_body_bytes: int = MAX_BODY_BYTES,
        page: Page | None = None,
    ) -> None:
        self.admission = admission
        self.request_count = 0
        self.is_closing = False  # set when the server stops: every response then asks the client to reconnect
        self.is_closed = False  # set when nothing more is answered
        self.models = models
        self._access = access
        self.max_body_bytes = max_body_bytes
        self._page = page
        self._openapi = openapi if page is None else page.openapi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        self.request_count += 1
        headers = join_headers(scope["headers"])
        tracked = _TrackedSend(send, self._access.cors_headers(headers.get(b"origin")))
        try:
            await self._route(scope, headers, receive, tracked)
        except ClientDisconnectedError:
            pass
        except Exception as problem:  # a bug; uvicorn alone would drop the connection or answer in another form
            logger.exception("%s %s could not be answered", scope["method"], short_repr(scope["path"]))
            if not tracked.has_started:
                text = f"{type(problem).__name__} in the server; its log says where."
                await self._send(tracked, error_response(500, text), unread=receive)

    async def _route(self, scope: Scope, headers: HeaderMap, receive: Receive, send: Send) -> None:
        target = inference_target(scope["path"])
        try:
            self._access.check(headers)
            if scope["method"] == "OPTIONS":
                await self._send(send, HttpResponse(204, b"", self._access.preflight_headers(headers)))
            elif target is not None:
                await self._infer(target, scope["method"], headers, receive, send, _remote_client(scope))
            elif scope["path"] == INDEX:
                await self._index(scope["method"], headers, receive, send, _remote_client(scope))
            elif self._page is not None and self._page.answers(scope["path"], headers):
                respond = partial(self._page.respond, scope["method"], scope["path"], headers)
                await self._send(send, await asyncio.to_thread(respond))  # it reads files
            else:
                await self._send(send, answer_get(self.models, scope["method"], scope["path"], self._openapi))
        except RequestRejectedError as rejection:  # before the body was read to its end
            await self._send(send, rejection_response(rejection), unread=receive)

    async def _infer(
        self,
        target: InferenceTarget,
        method: str,
        headers: HeaderMap,
        receive: Receive,
        send: Send,
        client: RemoteClient,
    ) -> None:
        start = time.perf_counter()
        model = self.models.get(target.name)
        metrics = _UNKNOWN if model is None else model.metrics
        with MemoryReservation(self.admission.budgets, client) as reservation:
            try:
                media_type = check_head(method, headers)
                encoding = content_encoding(headers.get(b"content-encoding"))
                body = await self._read_body(receive, headers, self.max_body_bytes, reservation)
            except RequestRejectedError as rejection:
                metrics.count_request(target.protocol, rejection.status, time.perf_counter() - start)
                raise
            request = _InferenceRequest(target, headers, media_type, encoding, body)
            reservation.is_large = len(body) > self.admission.limits.small_bytes
            if model is not None and len(body) <= LOOP_BODY_BYTES and not encoding:
                reservation.loop_images = model.loop_images
            try:
                response = await self.admission.run(reservation, lambda: self._predict(request, model, reservation))
            except RequestRejectedError as rejection:
                response = rejection_response(rejection)
        metrics.count_request(target.protocol, response.status, time.perf_counter() - start)
        await self._send(send, response)

    async def _read_body(
        self, receive: Receive, headers: HeaderMap, max_bytes: int, reservation: MemoryReservation
    ) -> bytes:
        if self.is_closed:
            raise shed_error(ShedReason.ENDING)
        return await read_body(receive, content_length(headers), max_bytes, reservation, self.admission.limits)

    def _predict(
        self, request: _InferenceRequest, model: ServedModel | None, reservation: MemoryReservation
    ) -> HttpResponse:
        """Decode, predict and encode; what would take the event loop long, is done in a thread of the pool.

        Raises:
            NotInLoopError: the request is too large for the event loop.
            NotSmallError: the request is too large for a small one, and has to wait for the turn of the large ones.
            ClientDisconnectedError: nobody waits for the response.
        """
        target = request.target
        try:
            found = require_model(self.models, target, model)
            body = decompress(request.body, request.encoding, self.max_body_bytes, reservation)
            if target.protocol == "v1":
                return predict_v1(found, request.media_type, body, reservation)
            return predict_v2(found, request.media_type, request.headers, body, reservation)
        except RequestRejectedError as rejection:
            return rejection_response(rejection)
        except (NotInLoopError, NotSmallError, ClientDisconnectedError):
            raise
        except Exception as problem:
            logger.exception("%s: a request could not be answered", target.name)
            return error_response(500, f"{type(problem).__name__} while predicting; the server's log says where.")

    async def _index(self, method: str, headers: HeaderMap, receive: Receive, send: Send, client: RemoteClient) -> None:
        require_post(method)
        encoding = content_encoding(headers.get(b"content-encoding"))
        with MemoryReservation(self.admission.budgets, client) as reservation:
            body = await self._read_body(receive, headers, INDEX_BODY_BYTES, reservation)
        ready_only = asks_for_ready_only(decompress(body, encoding, INDEX_BODY_BYTES))
        rows = index_rows(self.models, ready_only=ready_only)
        await self._send(send, HttpResponse(200, orjson.dumps(rows), [JSON_TYPE]))

    async def _send(self, send: Send, response: HttpResponse, unread: Receive | None = None) -> None:
        headers = list(response.headers)
        if response.status not in (204, 304):  # which have no body by definition
            headers.append((b"content-length", str(len(response.body)).encode()))
        if self.is_closing or unread is not None:
            headers.append(CLOSE)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": unread is not None})
        if unread is not None:
            await discard_body(unread, self.admission.limits)
            await send({"type": "http.response.body", "body": b""})


def _remote_client(scope: Scope) -> RemoteClient:
    """The client of a request, which its connection has stored there."""
    client: RemoteClient | None = scope.get("state", {}).get(CLIENT_KEY)
    return client or RemoteClient()
