"""One client's connection: uvicorn's, with limits before the parser and an answer for whoever breaks one."""

import asyncio
import socket
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from forebay.serving.admission.shed import Shed, count_shed, shed
from forebay.serving.http.gone import PEER, Gone, Peer, counted_address
from forebay.serving.http.limits import Limits
from forebay.serving.http.listening import Guests
from forebay.serving.http.refusal import RefusedError

LINGER_S = 2.0
PROBE_S = 1.0  # after its last byte, a client that still has no answer is asked whether it is there
BODY_SLACK_S = 5.0  # reading a body ends by itself before that
ALWAYS = ("/", "/metrics", "/v2/health/live", "/v2/health/ready")


class Connection(HttpToolsProtocol):
    """One client. Answers half-closed clients and broken HTTP, where uvicorn closes the connection under them."""

    def __init__(self, guests: Guests, limits: Limits, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._guests = guests
        self._limits = limits  # of the moment in which the client came
        self.peer = Peer()
        self.since = self.loop.time()
        self._only_always: Shed | None = None  # why nothing but health and metrics may be asked
        self._refusal: RefusedError | None = None  # of the head that is being read
        self._outside = True  # of a body: a head is being read, or the next one is waited for
        self._head_bytes = 0
        self._body_came = False  # since the last look
        self._barren_bytes = 0  # of a body's frame, without a byte of the body
        self._refused = False  # for good
        self._asked = False  # whether a request has ever come
        self._last_byte: float | None = None  # when the client said that it sends no more
        self._probed = False
        self._unsent: tuple[float, int] | None = None  # since when so many bytes wait to be taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the client, and take it in or not."""
        super().connection_made(transport)
        self.peer = Peer(counted_address(self.client[0]) if self.client else "", Gone())
        self.app_state = {**self.app_state, PEER: self.peer}
        self._only_always = self._guests.arrive(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who works for this client."""
        self._guests.leave(self)
        super().connection_lost(exc)
        self.peer.gone.set()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to no body before it is parsed: the parser keeps a header until its end, however long."""
        if self._refused:
            return
        if not self._outside:
            self._body_came = False
            super().data_received(data)
            self._count_frame(len(data))
            return
        if not self._head_bytes:
            self.since = self.loop.time()
        room = self._limits.head_bytes - self._head_bytes
        if len(data) <= room:
            self._head_bytes += len(data)
            super().data_received(data)
            return
        self._head_bytes = self._limits.head_bytes
        super().data_received(data[:room])
        if self._refused:
            return
        if self._head_bytes == self._limits.head_bytes and self._outside:
            self._refuse_head(f"more than {self._limits.head_bytes} bytes of request line and headers came")
            self.send_400_response("")
        else:
            self.data_received(data[room:])

    def on_headers_complete(self) -> None:
        """Take the request, or refuse it."""
        self._outside, self._asked = False, True
        self._head_bytes = self._barren_bytes = 0
        self.since = self.loop.time()
        if len(self.headers) > self._limits.headers:
            raise self._refuse_head(f"{len(self.headers)} headers came")
        if self._only_always is not None and self.url.partition(b"?")[0].decode("latin-1") not in ALWAYS:
            self._refusal = shed(self._only_always)
            raise self._refusal
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_came = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the next request from here on, and for the end of the connection: who does not read sees none."""
        self._outside = True
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes a bool, uvicorn never gives one
        """Tell whether the client, which has sent its last byte, still gets an answer."""
        if not self._is_busy:
            if self._head_bytes and not self._is_over:
                self._refuse(RefusedError("The request ended inside its head."))
                return True
            return False
        self.cycle.keep_alive = False
        self.cycle.more_body = False  # an unfinished body ends here; reading it finds it too short
        self.cycle.message_event.set()
        self._last_byte = self.loop.time()
        return True

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or what was refused before it was one."""
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            refusal = RefusedError(f"{msg} Expected an HTTP/1.1 request.")
        self._refuse(refusal)

    def shutdown(self) -> None:
        """End with the answer that is being made; uvicorn calls it when the server ends."""
        if self._head_bytes and not self._is_busy:
            self.turn_away(Shed.ENDING)
        else:
            super().shutdown()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered or sent."""
        return self._is_over or (self._outside and not self._is_busy)

    def make_room(self, reason: Shed) -> None:
        """Close; who has begun a request is told why."""
        if self._head_bytes and not self._is_over:
            self._write(shed(reason))
        self.transport.close()

    def turn_away(self, reason: Shed) -> None:
        """Say why no request is taken, and close."""
        if not self._is_over:
            self._refuse(shed(reason))

    def check_time(self, now: float, limits: Limits) -> None:
        """Close where the client has taken too long, with a head, with a body, or with its answer."""
        self._limits = limits
        if self._is_stuck(now, limits):
            count_shed(Shed.WRITE_TIME)
            self.transport.abort()
        elif self._is_over:
            return
        elif not self._outside:
            if (not self._is_busy or self.cycle.more_body) and now - self.since > limits.body_s + BODY_SLACK_S:
                count_shed(Shed.BODY_TIME)
                self.transport.abort()
            elif self._is_busy:
                self._probe(now)
        elif self._is_busy:
            self._probe(now)
        elif now - self.since > limits.head_s and (self._head_bytes or not self._asked):
            self._end_late_head()

    def _end_late_head(self) -> None:
        count_shed(Shed.HEAD_TIME)
        if self._head_bytes:
            self._refuse(RefusedError(f"The head of a request was not whole within {self._limits.head_s} s.", 408))
        else:
            self.transport.close()

    @property
    def _is_over(self) -> bool:
        """Whether nothing more is read or answered."""
        return self._refused or self.transport.is_closing()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_stuck(self, now: float, limits: Limits) -> bool:
        """Whether a client has not taken a byte for too long."""
        size = self.transport.get_write_buffer_size()
        if not size:
            self._unsent = None
        elif self._unsent is None or size < self._unsent[1]:
            self._unsent = now, size
        return self._unsent is not None and now - self._unsent[0] > limits.write_s

    def _probe(self, now: float) -> None:
        """Find out whether a client that sends no more has left altogether: only something sent to it can tell.

        What is sent is the harmless interim answer that every client of HTTP/1.1 passes over.
        """
        if self._last_byte is None or now - self._last_byte < PROBE_S:
            return
        if self._probed:
            connection: socket.socket | None = self.transport.get_extra_info("socket")
            if connection is not None and connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.transport.abort()
        elif not self.cycle.response_started and self.scope["http_version"] == "1.1":
            self._probed = True
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_frame(self, size: int) -> None:
        """Refuse a body that has long extensions or trailers: the parser keeps those, too."""
        if self._body_came or self._outside:
            self._barren_bytes = 0
            return
        self._barren_bytes += size
        if self._barren_bytes > self._limits.head_bytes:
            self._refuse_head(f"more than {self._limits.head_bytes} bytes came that belong to no body")
            self.send_400_response("")

    def _refuse_head(self, found: str) -> RefusedError:
        count_shed(Shed.HEAD_BYTES)
        self._refusal = RefusedError(
            f"expected at most {self._limits.head_bytes} bytes and {self._limits.headers} headers before a request's "
            f"body, {found}.",
            431,
        )
        return self._refusal

    def _refuse(self, refusal: RefusedError) -> None:
        """Answer, then read on for a moment: a close with unread bytes would overtake the answer."""
        if self._is_busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self._is_busy or not self.cycle.response_started:
            self._write(refusal)
        self._refused = True
        self.flow.resume_reading()
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _write(self, refusal: RefusedError) -> None:
        body = orjson.dumps({"error": str(refusal)})
        headers = (
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *refusal.headers,
        )
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[refusal.status] + lines + b"\r\n" + body)
