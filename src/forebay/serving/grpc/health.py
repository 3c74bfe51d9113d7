"""The standard health service, `grpc.health.v1.Health`, which Kubernetes' gRPC probes, proxies and clients ask.

The package that has it, grpcio-health-checking, needs another protobuf than kfp in the release of our grpcio.
Its two messages are described here instead, in a pool of their own, so that the package may be present beside this.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "grpc.health.v1.Health"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def _messages() -> tuple[Any, Any]:
    """The classes of `HealthCheckRequest` and `HealthCheckResponse`."""
    file = descriptor_pb2.FileDescriptorProto(name="forebay_health.proto", package="grpc.health.v1", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, of, kind in (
        ("HealthCheckRequest", "service", field.TYPE_STRING),
        ("HealthCheckResponse", "status", field.TYPE_INT32),  # an enum has the same bytes
    ):
        file.message_type.add(name=name).field.add(name=of, number=1, type=kind, label=field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found = [pool.FindMessageTypeByName(f"grpc.health.v1.{message.name}") for message in file.message_type]
    request, response = map(message_factory.GetMessageClass, found)
    return request, response


class HealthService:
    """Answers whether the server is ready, once or whenever that changes."""

    def __init__(self, services: tuple[str, ...]) -> None:
        """Health of these services, and of the server as a whole; all have the same."""
        self._services = ("", SERVICE, *services)
        self._status = NOT_SERVING
        self._changed = asyncio.Event()
        self._is_closed = False
        self._request, self._response = _messages()

    def handler(self) -> grpc.GenericRpcHandler:
        """The methods, for a server."""
        codec = {
            "request_deserializer": self._request.FromString,
            "response_serializer": self._response.SerializeToString,
        }
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check, **codec),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **codec),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def update(self, *, is_ready: bool) -> None:
        """Tell who watches where this is news."""
        status = SERVING if is_ready else NOT_SERVING
        if status != self._status:
            self._status = status
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def close(self) -> None:
        """End what watches, which would keep the server from ending."""
        self._is_closed = True
        self._changed.set()

    async def _check(self, request: Any, context: Any) -> Any:
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no service {request.service!r} here.")
        return self._response(status=self._status)

    async def _watch(self, request: Any, _: Any) -> AsyncIterator[Any]:
        while not self._is_closed:
            changed = self._changed
            known = request.service in self._services
            yield self._response(status=self._status if known else SERVICE_UNKNOWN)
            await changed.wait()
