"""uvicorn, with what it lacks so that no client is left without an answer."""

import asyncio
import socket
import time
from collections.abc import Callable

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from forebay.serving.app import FrontDoor

KEEP_ALIVE_S = 65  # longer than the 60 s that proxies keep idle connections, so that they close first
GRACE_S = 30  # for requests in flight when the server is asked to end
LINGER_S = 2.0
SETTLE_S = 0.3  # without a new client or request, after which nobody is taken to be on the way
SETTLE_MOST_S = 3.0  # where clients never cease
TURNS = 5  # of the event loop from the kernel's queue to a request: accept, transport, reader, read, parse


class Connection(HttpToolsProtocol):
    """One client. Answers half-closed clients and broken HTTP, where uvicorn closes the connection under them."""

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes a bool, uvicorn never gives one
        """Tell whether the client, which has sent its last byte, still gets an answer."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.keep_alive = False
        self.cycle.more_body = False  # an unfinished body ends here; reading it finds it too short
        self.cycle.message_event.set()
        return True

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, then read on for a moment: a close with unread bytes would overtake the answer."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            body = orjson.dumps({"error": f"{msg} Expected an HTTP/1.1 request."})
            head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.parser = _Deaf()  # type: ignore[assignment]
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


class _Deaf:
    """Takes the place of the parser once a connection is past use."""

    def feed_data(self, data: bytes) -> None:
        """Drop it."""


class Server(uvicorn.Server):
    """A server that says when it is up, and that loses no request when it is asked to end."""

    def __init__(
        self, door: FrontDoor, *, on_start: Callable[[], None] | None = None, on_stop: Callable[[], None] | None = None
    ) -> None:
        super().__init__(
            uvicorn.Config(
                door,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._door = door
        self._on_start = on_start
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self._on_start:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer everything that has been sent, then end.

        uvicorn alone would close connections whose request it has not read yet. So clients are told to leave first
        (`Connection: close`), what waits in the kernel's queue is accepted, then the door is closed, and what came
        in last is read before the connections end. Only a connection that is made in the very instant in which the
        door closes is reset by the kernel, before a request was read from it.
        """
        if self._on_stop:
            self._on_stop()
        self._door.closing = True
        await self._quiet()
        for server in self.servers:
            server.close()
        await self._quiet()
        await super().shutdown(sockets)

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
