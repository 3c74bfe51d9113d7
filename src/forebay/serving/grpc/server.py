"""gRPC's server of this process, in the event loop that REST uses."""

import logging

import grpc

from forebay.errors import MachineError
from forebay.serving.admission.limits import ServerLimits
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.grpc.health import HealthService
from forebay.serving.grpc.inference_service import SERVICE, InferenceService
from forebay.serving.ports import bind

logger = logging.getLogger(__name__)

IDENTITY_ONLY = 1  # a mask of compressions; gRPC would decompress a message to any length, and images are compressed
CONCURRENT_CALLS = 256  # of one connection; a client keeps further ones back
IDLE_MS = 65_000  # a connection without a call is closed after so long, as with REST
SETTING = "serve.grpc_port"


class GrpcServer:
    """A gRPC server that was started."""

    def __init__(
        self, app: InferenceApp, server: grpc.aio.Server, health: HealthService, inference: InferenceService
    ) -> None:
        self._app = app
        self._server = server
        self._health = health
        self._inference = inference

    @classmethod
    async def start(cls, app: InferenceApp, host: str, port: int) -> "GrpcServer":
        """Listen.

        Args:
            app: what REST answers with; its models, limits and queues are those of the calls.
            host, port: the address.

        Raises:
            ForebayError: the port cannot be used; the message says why.
        """
        bind(host, port, SETTING).close()  # gRPC's own error does not say who has the port
        server = grpc.aio.server(options=_options(app.admission.limits, app.max_body_bytes))
        health, inference = HealthService((SERVICE,)), InferenceService(app)
        server.add_generic_rpc_handlers((health.handler(), inference.handler()))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            server.add_insecure_port(address)
        except RuntimeError as error:  # another program was faster
            raise MachineError(f"{address} cannot be used for gRPC: {error} Choose another port, {SETTING}.") from error
        await server.start()
        started = cls(app, server, health, inference)
        started.tick(0)
        logger.info("listening on %s port %d for gRPC", host, port)
        return started

    def tick(self, now: float) -> None:
        """Follow the models' state, and end what takes too long; called several times a second."""
        self._health.update(is_ready=not self._app.is_closing and not self._app.models.missing())
        self._inference.end_late(now)

    async def stop(self, grace_s: float) -> None:
        """Accept no further call, and end when the last one was answered, or after so many seconds."""
        self._health.close()
        await self._server.stop(grace_s)


def _options(limits: ServerLimits, max_body_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # else two servers could listen on one port, and each would get half of the calls
        ("grpc.max_receive_message_length", max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", limits.head_bytes),
        ("grpc.absolute_max_metadata_size", limits.head_bytes),
        ("grpc.max_concurrent_streams", CONCURRENT_CALLS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ONLY),
    ]
