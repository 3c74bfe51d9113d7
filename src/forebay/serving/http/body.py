"""Reading a request's body within limits, and discarding the rest of a rejected one."""

import asyncio
import time

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import ClientDisconnectedError
from forebay.serving.admission.shedding import ShedReason, count_shed
from forebay.serving.http.asgi import Message, Receive
from forebay.serving.rejection import RequestRejectedError


async def read_body(
    receive: Receive, announced: int | None, max_bytes: int, reservation: MemoryReservation, limits: ServerLimits
) -> bytes:
    """Read a whole body.

    Args:
        receive: the ASGI callable.
        announced: the request's Content-Length; None for a chunked body.
        max_bytes: the largest body; an announced length above it is rejected before a byte is read, as is one for
            which there is no memory.
        reservation: holds the memory.
        limits: how long the body may take.

    Raises:
        RequestRejectedError: it is too large (413), too slow (408) or shorter than announced (400), or there is no
            memory for it (503, 429).
        ClientDisconnectedError: the connection is closed.
    """
    if announced is not None:
        if announced > max_bytes:
            raise _too_large(f"Content-Length says {announced}", max_bytes)
        reservation.reserve_body(announced)
    end = time.monotonic() + limits.body_s
    message = await _next_message(receive, 0, announced, end, limits)
    body: bytes = message.get("body", b"")
    total = len(body)
    if message.get("more_body", False):
        whole = bytearray(body)  # grows in place: joining parts at the end would take the memory twice
        del body, message
        total = await _read_rest(receive, whole, announced, max_bytes, reservation, limits, end)
        body = whole  # type: ignore[assignment]  # nobody changes it from now on
    elif total > max_bytes:
        raise _too_large(f"{total} came already", max_bytes)
    elif announced is None:
        reservation.reserve_growing_body(total)
    if announced is not None and total != announced:
        raise RequestRejectedError(
            f"expected a body of {announced} bytes as Content-Length says, got {total} before its end."
        )
    return body


async def _read_rest(
    receive: Receive,
    whole: bytearray,
    announced: int | None,
    max_bytes: int,
    reservation: MemoryReservation,
    limits: ServerLimits,
    end: float,
) -> int:
    """Append what follows the first part; returns the number of bytes in all."""
    more = True
    while more:
        message = await _next_message(receive, len(whole), announced, end, limits)
        whole += message.get("body", b"")
        more = message.get("more_body", False)
        if len(whole) > max_bytes:
            raise _too_large(f"{len(whole)} came already", max_bytes)
        if announced is None:
            reservation.reserve_growing_body(len(whole))
    return len(whole)


async def discard_body(receive: Receive, limits: ServerLimits) -> None:
    """Read on without keeping anything, so that a client that still sends gets to see its response.

    Closing a socket with unread bytes resets the connection, and the reset overtakes the response. A client that has
    not read its response within the limits is cut off.
    """
    total = 0
    try:
        async with asyncio.timeout(limits.discard_s):
            while total < limits.discard_bytes:
                async with asyncio.timeout(limits.discard_idle_s):
                    message = await receive()
                total += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def _next_message(
    receive: Receive, total: int, announced: int | None, end: float, limits: ServerLimits
) -> Message:
    left_s = end - time.monotonic()
    timeout_s = min(left_s, limits.body_idle_s)
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
    except TimeoutError:
        count_shed(ShedReason.BODY_TIME)
        of_announced = "" if announced is None else f" of {announced}"
        why = f"stopped after {total}{of_announced} bytes for {timeout_s:g} s"
        if timeout_s == left_s:
            why = f"was not whole within {limits.body_s:g} s, {total}{of_announced} bytes came (serve.body_s)"
        raise RequestRejectedError(f"The body {why}.", 408) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnectedError
    return message


def _too_large(found: str, limit: int) -> RequestRejectedError:
    return RequestRejectedError(f"expected a body of at most {limit} bytes, {found}. Send fewer images at once.", 413)
