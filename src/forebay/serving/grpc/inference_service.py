"""The service `inference.GRPCInferenceService`: inference with the limits of REST, health and metadata of the SDK."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError

from forebay.serving.admission.memory_reservation import MemoryReservation, NotSmallError
from forebay.serving.admission.remote_client import ClientDisconnectedError, RemoteClient, counted_address
from forebay.serving.admission.shedding import ShedReason, shed_error
from forebay.serving.app.get_requests import model_metadata, no_loading, server_metadata
from forebay.serving.app.inference import predict_images, target_images
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.app.model_lookup import require_model
from forebay.serving.app.routes import InferenceTarget
from forebay.serving.grpc.message_size import not_a_message, reserve_parsed
from forebay.serving.grpc.messages import pb
from forebay.serving.grpc.receive_gate import ReceiveGate
from forebay.serving.grpc.status import abort
from forebay.serving.grpc.v2_message import decode_message, encode_message
from forebay.serving.rejection import RequestRejectedError
from forebay.serving.repository.model_metrics import UNKNOWN_MODEL, ModelMetrics
from forebay.serving.repository.served_model import ServedModel

logger = logging.getLogger(__name__)

SERVICE = "inference.GRPCInferenceService"
PROTOCOL = "grpc"  # value of the label `protocol` in Prometheus
_UNKNOWN = ModelMetrics(UNKNOWN_MODEL)
NOT_LOADED = 503  # status of a model that is desired and does not answer yet


@dataclass
class _Call:
    """An inference call, from its begin to its end."""

    client: RemoteClient
    start: float = field(default_factory=time.perf_counter)
    model: ServedModel | None = None

    def count(self, code: int) -> None:
        """Count it under the HTTP status that REST would answer with."""
        metrics = _UNKNOWN if self.model is None else self.model.metrics
        metrics.count_request(PROTOCOL, code, time.perf_counter() - self.start)


class InferenceService:
    """Answers calls. To be used from one event loop."""

    def __init__(self, app: InferenceApp) -> None:
        """Answer for the models of an application, within its limits."""
        self._app = app
        self._limits = lambda: app.admission.limits
        self._gate = ReceiveGate(self._limits, app.max_body_bytes)
        self._calls: Counter[str] = Counter()  # in flight, by address
        self._work: set[asyncio.Task[bytes]] = set()  # a task that nothing refers to may vanish

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods, for a server.

        Inference takes bytes, so that they are parsed in a thread, and is registered as a stream of requests, which
        looks the same on the wire: gRPC then begins a call before it reads the message, which waits for its turn.
        """
        methods = {
            name: grpc.unary_unary_rpc_method_handler(
                method,
                request_deserializer=getattr(pb, f"{name}Request").FromString,
                response_serializer=getattr(pb, f"{name}Response").SerializeToString,
            )
            for name, method in self._unary_methods().items()
        }
        methods["ModelInfer"] = grpc.stream_unary_rpc_method_handler(self._infer)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def end_late(self, now: float) -> None:
        """Give up messages that keep others waiting; called again and again."""
        self._gate.end_late(now)

    def _unary_methods(self) -> dict[str, Callable[..., Any]]:
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "RepositoryModelLoad": self._refuse_loading,
            "RepositoryModelUnload": self._refuse_loading,
        }

    async def _server_live(self, _: Any, __: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _server_ready(self, _: Any, __: Any) -> Any:
        return pb.ServerReadyResponse(ready=not self._app.models.missing())

    async def _model_ready(self, request: Any, context: Any) -> Any:
        try:
            self._require(request.name, request.version)
        except RequestRejectedError as rejection:
            if rejection.status != NOT_LOADED:
                await abort(context, rejection)
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def _server_metadata(self, _: Any, __: Any) -> Any:
        return pb.ServerMetadataResponse(**server_metadata())

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        try:
            model = self._require(request.name, request.version)
        except RequestRejectedError as rejection:
            await abort(context, rejection)
        return pb.ModelMetadataResponse(**model_metadata(model))

    async def _refuse_loading(self, _: Any, context: Any) -> None:
        await abort(context, no_loading())

    def _require(self, name: str, version: str) -> ServedModel:
        target = InferenceTarget(PROTOCOL, name, version or None)
        return require_model(self._app.models, target, self._app.models.get(name))

    async def _infer(self, _: Any, context: Any) -> bytes:
        self._app.request_count += 1
        call = _Call(RemoteClient(_address(context.peer())))
        try:
            response = await self._answer_within_limits(call, context)
        except RequestRejectedError as rejection:
            call.count(rejection.status)
            await abort(context, rejection)
        except ClientDisconnectedError:
            await context.abort(grpc.StatusCode.CANCELLED, "The client left.")
        except asyncio.CancelledError:  # its client left, or its deadline has passed
            call.client.disconnect.set()
            raise
        call.count(200)
        return response

    async def _answer_within_limits(self, call: _Call, context: Any) -> bytes:
        with self._in_flight(call.client.address):
            message = await self._gate.receive(call.client.address, context.read)
            if message is grpc.aio.EOF:
                raise not_a_message()
            work = asyncio.get_running_loop().create_task(self._answer(call, message))
            self._work.add(work)
            work.add_done_callback(self._work.discard)
            # A call that is cancelled leaves its work to end by itself: a thread may hold memory for it.
            return await asyncio.shield(work)

    @contextlib.contextmanager
    def _in_flight(self, address: str) -> Iterator[None]:
        """Count a call as REST counts the connection that each of its requests needs."""
        limits = self._limits()  # type: ignore[no-untyped-call]
        if self._app.is_closed:
            raise shed_error(ShedReason.ENDING)
        if self._calls.total() >= limits.connections:
            raise shed_error(ShedReason.CALLS)
        if self._calls[address] >= limits.per_address(limits.connections):
            raise shed_error(ShedReason.ADDRESS_CALLS)
        self._calls[address] += 1
        try:
            yield
        finally:
            self._calls[address] -= 1
            if not self._calls[address]:
                del self._calls[address]

    async def _answer(self, call: _Call, message: bytes) -> bytes:
        admission = self._app.admission
        with MemoryReservation(admission.budgets, call.client) as reservation:
            reservation.reserve_body(len(message))
            reservation.is_large = len(message) > admission.limits.small_bytes
            return await admission.run(reservation, lambda: self._predict(call, message, reservation))

    def _predict(self, call: _Call, message: bytes, reservation: MemoryReservation) -> bytes:
        """Decode, predict and encode in a thread of the pool; raises as `InferenceApp` does for REST."""
        try:
            reserve_parsed(message, pb.ModelInferRequest.DESCRIPTOR, reservation)
            try:
                request = pb.ModelInferRequest.FromString(message)
            except DecodeError:
                raise not_a_message() from None
            call.model = self._app.models.get(request.model_name)
            return _predict(self._require(request.model_name, request.model_version), request, reservation)
        except (RequestRejectedError, NotSmallError, ClientDisconnectedError):
            raise
        except Exception as problem:
            logger.exception("a gRPC call could not be answered")
            raise RequestRejectedError(
                f"{type(problem).__name__} while predicting; the server's log says where.", 500
            ) from None


def _predict(model: ServedModel, request: Any, reservation: MemoryReservation) -> bytes:
    target = target_images(model, reservation)
    start = time.perf_counter()
    decoded = decode_message(request, target)
    ready = time.perf_counter()
    prediction = predict_images(model, decoded.request.images_NHWC, reservation, target.originals)
    predicted = time.perf_counter()
    response = encode_message(decoded, prediction)
    model.metrics.time_stages(ready - start, predicted - ready, time.perf_counter() - predicted)
    return response


def _address(peer: str) -> str:
    """The address by which a client is counted, from gRPC's name of it such as `ipv4:127.0.0.1:4711`."""
    return counted_address(unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]"))
