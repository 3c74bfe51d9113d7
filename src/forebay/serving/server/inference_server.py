"""uvicorn's server: it also reports when it is up, enforces time limits, and ends soon without losing a request."""

import asyncio
import functools
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import uvicorn

from forebay.serving.admission.shedding import ShedReason
from forebay.serving.app.inference_app import InferenceApp
from forebay.serving.http.connection import ClientConnection
from forebay.serving.http.connection_limiter import ConnectionLimiter
from forebay.serving.server.grpc_listener import GrpcAddress, GrpcListener

KEEP_ALIVE_S = 65  # longer than the 60 s for which proxies keep idle connections, so that they close first
QUIET_S = 0.3  # after so long without a new connection or request, nothing more is expected to arrive
QUIET_TIMEOUT_S = 1.5  # where clients never pause
FINAL_RESPONSE_S = 0.5  # time to send the responses that say that the server ends
LOOP_TURNS = 5  # from the kernel's queue to a request the event loop turns for: accept, transport, reader, read, parse
TICKS_PER_CHECK = 5  # uvicorn ticks ten times a second


class InferenceServer(uvicorn.Server):
    """Serves an application until it is asked to end."""

    def __init__(
        self,
        app: InferenceApp,
        *,
        on_start: Callable[[], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        grpc_address: GrpcAddress | None = None,
    ) -> None:
        self._limiter = ConnectionLimiter(lambda: app.admission.limits)
        super().__init__(
            uvicorn.Config(
                app,
                http=cast(Any, self._new_connection),  # uvicorn calls it as it would call a protocol class
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._app = app
        self._on_start = on_start
        self._on_stop = on_stop
        self._grpc = GrpcListener(app, grpc_address or GrpcAddress())

    def _new_connection(self, **uvicorn_options: object) -> ClientConnection:
        return ClientConnection(self._limiter, self._app.admission.limits, **uvicorn_options)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self._app.admission.export_metrics(self._limiter.__len__)
        await self._grpc.follow()
        if self._on_start:
            self._on_start()

    async def on_tick(self, counter: int) -> bool:
        """Close late connections; returns whether to end, as uvicorn asks."""
        if counter % TICKS_PER_CHECK == 0:
            self._limiter.close_late(asyncio.get_running_loop().time())
            await self._grpc.follow()
        return bool(await super().on_tick(counter))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer every request that was sent, then end; soon in any case.

        uvicorn alone would close connections whose request it has not read yet. Therefore:

        1. Clients are told to leave (`Connection: close`), while connections in the kernel's queue are still accepted.
        2. The listening sockets are closed, and requests that came in last are read before their connections end. Only
           a connection that is made in that very instant is reset by the kernel, before a request was read from it.
        3. gRPC does the same: its connections are told to go away, and no call of theirs begins any more.
        4. What is not answered within `ServerLimits.grace_s` is answered with 503.
        """
        limits = self._app.admission.limits
        exit_after(limits.end_s)
        start = time.monotonic()
        if self._on_stop:
            self._on_stop()
        self._app.is_closing = True
        self._grpc.tick()  # its health service says so
        await self._wait_until_quiet()
        for server in self.servers:
            server.close()
        ending_grpc = asyncio.create_task(self._grpc.stop(start + limits.grace_s + FINAL_RESPONSE_S - time.monotonic()))
        await self._wait_until_quiet()
        left_s = start + limits.grace_s - time.monotonic()
        abandon = asyncio.get_running_loop().call_later(left_s, self._abandon_requests)
        self.config.timeout_graceful_shutdown = math.ceil(max(left_s, 0) + FINAL_RESPONSE_S)
        await super().shutdown(sockets)
        await ending_grpc
        abandon.cancel()

    def _abandon_requests(self) -> None:
        """Answer every request that still waits with 503."""
        self._app.is_closed = True
        self._app.admission.reject_all()
        loop = asyncio.get_running_loop()
        # One turn later, so that responses to what was running are written first.
        loop.call_soon(loop.call_soon, self._limiter.reject_all, ShedReason.ENDING)
        for connection in tuple(self.server_state.connections):
            loop.call_later(FINAL_RESPONSE_S, connection.transport.abort)

    async def _wait_until_quiet(self) -> None:
        """Wait until no new connection or request has come for a moment.

        On a busy machine a moment can pass without one turn of the event loop, so its turns are counted as well.
        """
        end = time.monotonic() + QUIET_TIMEOUT_S
        before: tuple[int, int] | None = None
        while (
            before != (now := (len(self.server_state.connections), self._app.request_count)) and time.monotonic() < end
        ):
            before = now
            await asyncio.sleep(QUIET_S)
            for _ in range(LOOP_TURNS):
                await asyncio.sleep(0)


@functools.cache
def exit_after(seconds: float) -> None:
    """End this process after this many seconds, whatever it does then; only the first call counts."""
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()
