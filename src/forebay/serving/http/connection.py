"""One client's connection: uvicorn's, with limits in front of the parser, and a response to whoever exceeds one."""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.remote_client import CLIENT_KEY, DisconnectEvent, RemoteClient, counted_address
from forebay.serving.admission.shedding import ShedReason, count_shed, shed_error
from forebay.serving.http.connection_limiter import ConnectionLimiter
from forebay.serving.http.response import last_response_bytes
from forebay.serving.rejection import RequestRejectedError

LINGER_S = 2.0  # between the last response and the close of the connection
PROBE_S = 1.0  # so long after the end of what it sends, a client without a response is checked for being there
BODY_SLACK_S = 5.0  # reading a body ends by itself before that
ALWAYS_ANSWERED = ("/", "/metrics", "/v2/health/live", "/v2/health/ready")


class ClientConnection(HttpToolsProtocol):
    """One client. It answers half-closed clients and broken HTTP, where uvicorn closes the connection under them."""

    def __init__(self, limiter: ConnectionLimiter, limits: ServerLimits, **uvicorn_options: Any) -> None:
        super().__init__(**uvicorn_options)
        self._limiter = limiter
        self._limits = limits  # at the moment when the client connected
        self.remote_client = RemoteClient()
        self.phase_start = self.loop.time()
        self._restricted: ShedReason | None = None  # why only health and metrics may be asked for
        self._rejection: RequestRejectedError | None = None  # the response to the head that is being read
        self._outside_body = True  # a head is being read, or the next one is awaited
        self._head_bytes = 0
        self._body_received = False  # during the last call of `data_received`
        self._framing_bytes = 0  # bytes of chunk headers and trailers that came without a byte of the body itself
        self._rejected = False  # nothing more is read
        self._has_sent_request = False
        self._eof_at: float | None = None  # when the client ended what it sends
        self._probed = False
        self._unsent: tuple[float, int] | None = None  # since when this many bytes wait to be sent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the client, and accept or reject it."""
        super().connection_made(transport)
        self.remote_client = RemoteClient(counted_address(self.client[0]) if self.client else "", DisconnectEvent())
        self.app_state = {**self.app_state, CLIENT_KEY: self.remote_client}
        self._restricted = self._limiter.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the work for this client."""
        self._limiter.remove(self)
        super().connection_lost(exc)
        self.remote_client.disconnect.set()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to no body before it is parsed: the parser buffers a header to its end, however long."""
        if self._rejected:
            return
        if not self._outside_body:
            self._body_received = False
            super().data_received(data)
            self._count_framing(len(data))
            return
        if not self._head_bytes:
            self.phase_start = self.loop.time()
        room = self._limits.head_bytes - self._head_bytes
        if len(data) <= room:
            self._head_bytes += len(data)
            super().data_received(data)
            return
        self._head_bytes = self._limits.head_bytes
        super().data_received(data[:room])
        if self._rejected:
            return
        if self._head_bytes == self._limits.head_bytes and self._outside_body:
            self._reject_head(f"more than {self._limits.head_bytes} bytes of request line and headers came")
            self.send_400_response("")
        else:
            self.data_received(data[room:])

    def on_headers_complete(self) -> None:
        """Accept or reject the request."""
        self._outside_body, self._has_sent_request = False, True
        self._head_bytes = self._framing_bytes = 0
        self.phase_start = self.loop.time()
        if len(self.headers) > self._limits.headers:
            raise self._reject_head(f"{len(self.headers)} headers came")
        if self._restricted is not None and self.url.partition(b"?")[0].decode("latin-1") not in ALWAYS_ANSWERED:
            self._rejection = shed_error(self._restricted)
            raise self._rejection
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body."""
        self._body_received = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Go on reading, for the next request and to notice a disconnect."""
        self._outside_body = True
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio takes a bool, uvicorn never gives one
        """Keep a half-closed connection open where its client still gets a response."""
        if not self._is_busy:
            if self._head_bytes and not self._is_closed:
                self._respond_and_close(RequestRejectedError("The request ended inside its head."))
                return True
            return False
        self.cycle.keep_alive = False
        self.cycle.more_body = False  # an unfinished body ends here; who reads it finds it too short
        self.cycle.message_event.set()
        self._eof_at = self.loop.time()
        return True

    def send_400_response(self, msg: str) -> None:
        """Respond to what is not HTTP, and to what was rejected before it was parsed."""
        rejection, self._rejection = self._rejection, None
        if rejection is None:
            rejection = RequestRejectedError(f"{msg} Expected an HTTP/1.1 request.")
        self._respond_and_close(rejection)

    def shutdown(self) -> None:
        """Close after the response that is being made; uvicorn calls it when the server ends."""
        if self._head_bytes and not self._is_busy:
            self.reject(ShedReason.ENDING)
        else:
            super().shutdown()

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of a head."""
        return self._is_closed or (self._outside_body and not self._is_busy)

    def evict(self, reason: ShedReason) -> None:
        """Close it; a client that has begun a request is told why."""
        if self._head_bytes and not self._is_closed:
            self.transport.write(last_response_bytes(shed_error(reason)))
        self.transport.close()

    def reject(self, reason: ShedReason) -> None:
        """Tell the client why no request is accepted, and close it."""
        if not self._is_closed:
            self._respond_and_close(shed_error(reason))

    def close_if_late(self, now: float, limits: ServerLimits) -> None:
        """Close it where the client has taken too long for a head, a body or its response."""
        self._limits = limits
        if self._is_stalled(now, limits):
            count_shed(ShedReason.WRITE_TIME)
            self.transport.abort()
        elif self._is_closed:
            return
        elif not self._outside_body:
            if (not self._is_busy or self.cycle.more_body) and now - self.phase_start > limits.body_s + BODY_SLACK_S:
                count_shed(ShedReason.BODY_TIME)
                self.transport.abort()
            elif self._is_busy:
                self._probe(now)
        elif self._is_busy:
            self._probe(now)
        elif now - self.phase_start > limits.head_s and (self._head_bytes or not self._has_sent_request):
            self._end_late_head()

    def _end_late_head(self) -> None:
        count_shed(ShedReason.HEAD_TIME)
        if self._head_bytes:
            self._respond_and_close(
                RequestRejectedError(f"The head of a request was not whole within {self._limits.head_s} s.", 408)
            )
        else:
            self.transport.close()

    @property
    def _is_closed(self) -> bool:
        """Whether nothing more is read or answered."""
        return self._rejected or self.transport.is_closing()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_stalled(self, now: float, limits: ServerLimits) -> bool:
        """Whether the client has not taken a byte of its response for too long."""
        size = self.transport.get_write_buffer_size()
        if not size:
            self._unsent = None
        elif self._unsent is None or size < self._unsent[1]:
            self._unsent = now, size
        return self._unsent is not None and now - self._unsent[0] > limits.write_s

    def _probe(self, now: float) -> None:
        """Find out whether a half-closed client has left altogether: only something sent to it can tell.

        What is sent is the harmless interim response that every HTTP/1.1 client ignores.
        """
        if self._eof_at is None or now - self._eof_at < PROBE_S:
            return
        if self._probed:
            connection: socket.socket | None = self.transport.get_extra_info("socket")
            if connection is not None and connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.transport.abort()
        elif not self.cycle.response_started and self.scope["http_version"] == "1.1":
            self._probed = True
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _count_framing(self, size: int) -> None:
        """Reject a chunked body with long extensions or trailers: the parser buffers those, too."""
        if self._body_received or self._outside_body:
            self._framing_bytes = 0
            return
        self._framing_bytes += size
        if self._framing_bytes > self._limits.head_bytes:
            self._reject_head(f"more than {self._limits.head_bytes} bytes came that belong to no body")
            self.send_400_response("")

    def _reject_head(self, found: str) -> RequestRejectedError:
        count_shed(ShedReason.HEAD_BYTES)
        self._rejection = RequestRejectedError(
            f"expected at most {self._limits.head_bytes} bytes and {self._limits.headers} headers before a request's "
            f"body, {found}.",
            431,
        )
        return self._rejection

    def _respond_and_close(self, rejection: RequestRejectedError) -> None:
        """Respond, then read on for a moment: a close with unread bytes would overtake the response."""
        if self._is_busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self._is_busy or not self.cycle.response_started:
            self.transport.write(last_response_bytes(rejection))
        self._rejected = True
        self.flow.resume_reading()
        self._unset_keepalive_if_required()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)
