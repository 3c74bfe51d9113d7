"""uvicorn's server, which says when it is up, keeps time for its clients, and ends soon without losing a request."""

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

from forebay.serving.admission.shed import Shed
from forebay.serving.app import FrontDoor
from forebay.serving.http.connection import Connection
from forebay.serving.http.listening import Guests

KEEP_ALIVE_S = 65  # longer than the 60 s that proxies keep idle connections, so that they close first
SETTLE_S = 0.3  # without a new client or request, after which nobody is taken to be on the way
SETTLE_MOST_S = 1.5  # where clients never cease
LAST_WORDS_S = 0.5  # for the answers that say that the server ends
TURNS = 5  # of the event loop from the kernel's queue to a request: accept, transport, reader, read, parse
TICKS = 5  # of uvicorn's, a tenth of a second each, between two looks at the clients' time


class Server(uvicorn.Server):
    """Answers for a door until it is asked to end."""

    def __init__(
        self, door: FrontDoor, *, on_start: Callable[[], None] | None = None, on_stop: Callable[[], None] | None = None
    ) -> None:
        self._guests = Guests(lambda: door.admission.limits)
        super().__init__(
            uvicorn.Config(
                door,
                http=cast(Any, self._connection),  # called like the class that it makes one of
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._door = door
        self._on_start = on_start
        self._on_stop = on_stop

    def _connection(self, **uvicorns: object) -> Connection:
        return Connection(self._guests, self._door.admission.limits, **uvicorns)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self._door.admission.show(self._guests.__len__)
        if self._on_start:
            self._on_start()

    async def on_tick(self, counter: int) -> bool:
        """Look whether a client has taken too long; uvicorn asks whether to end."""
        if counter % TICKS == 0:
            self._guests.check_time(asyncio.get_running_loop().time())
        return bool(await super().on_tick(counter))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer everything that has been sent, then end; soon in any case.

        uvicorn alone would close connections whose request it has not read yet. So clients are told to leave first
        (`Connection: close`), what waits in the kernel's queue is accepted, then the door is closed, and what came
        in last is read before the connections end. Only a connection that is made in the very instant in which the
        door closes is reset by the kernel, before a request was read from it. What is not answered by then is
        answered with 503.
        """
        limits = self._door.admission.limits
        end_after(limits.end_s)
        start = time.monotonic()
        if self._on_stop:
            self._on_stop()
        self._door.closing = True
        await self._quiet()
        for server in self.servers:
            server.close()
        await self._quiet()
        left = start + limits.grace_s - time.monotonic()
        last = asyncio.get_running_loop().call_later(left, self._give_up)
        self.config.timeout_graceful_shutdown = math.ceil(max(left, 0) + LAST_WORDS_S)
        await super().shutdown(sockets)
        last.cancel()

    def _give_up(self) -> None:
        """Tell all who still wait that nobody answers them any more."""
        self._door.ended = True
        self._door.admission.end()
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._guests.turn_away, Shed.ENDING)  # behind the answers of what was running
        for connection in tuple(self.server_state.connections):
            loop.call_later(LAST_WORDS_S, connection.transport.abort)

    async def _quiet(self) -> None:
        """Wait until nothing new has come for a moment.

        On a busy machine a moment can pass without the loop having turned, so its turns are counted as well.
        """
        end = time.monotonic() + SETTLE_MOST_S
        before: tuple[int, int] | None = None
        while before != (now := (len(self.server_state.connections), self._door.requests)) and time.monotonic() < end:
            before = now
            await asyncio.sleep(SETTLE_S)
            for _ in range(TURNS):
                await asyncio.sleep(0)


@functools.cache
def end_after(seconds: float) -> None:
    """End this process after a while, whatever it does then; once."""
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()
