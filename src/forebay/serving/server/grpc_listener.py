"""The gRPC port of a server: it is opened and closed as its setting says, and nothing of gRPC is imported before."""

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.errors import ForebayError
from forebay.serving.app.inference_app import InferenceApp

if TYPE_CHECKING:
    from forebay.serving.grpc.server import GrpcServer

logger = logging.getLogger(__name__)

CLOSING_S = 5.0  # for the calls in flight where the setting names another port


@dataclass
class GrpcAddress:
    """Where a server should answer gRPC; the port may change while it answers."""

    host: str = "127.0.0.1"
    port: int = 0  # 0 for none


class GrpcListener:
    """Keeps a gRPC server at the address that is wanted. To be used from the event loop."""

    def __init__(self, app: InferenceApp, address: GrpcAddress) -> None:
        self._app = app
        self._address = address
        self._port = 0  # the one that was tried last; a port that is taken is tried again when the setting changes
        self._server: GrpcServer | None = None
        self._closing: set[asyncio.Task[None]] = set()  # a task that nothing refers to may vanish

    async def follow(self) -> None:
        """Open or close the port where the setting has changed; called several times a second."""
        if self._address.port != self._port:
            await self._move(self._address.port)
        self.tick()

    def tick(self) -> None:
        """Let the server follow the application's state."""
        if self._server is not None:
            self._server.tick(asyncio.get_running_loop().time())

    async def stop(self, grace_s: float) -> None:
        """Accept no further call, and end when the last one was answered, or after so many seconds."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace_s)

    async def _move(self, port: int) -> None:
        self._port = port
        closing = asyncio.create_task(self.stop(CLOSING_S))  # calls in flight must not hold up the event loop's ticks
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.sleep(0)  # it has begun, and no longer counts as the server
        if not port:
            return
        from forebay.serving.grpc.server import GrpcServer  # a server without gRPC starts without it

        try:
            self._server = await GrpcServer.start(self._app, self._address.host, port)
        except ForebayError as error:  # REST answers all the same
            logger.error("no gRPC: %s", error)
