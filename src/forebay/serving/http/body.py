"""Reading a request's body within limits, and letting the rest of a refused one pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from forebay.serving.admission.inflight import Claim
from forebay.serving.admission.shed import Shed, count_shed
from forebay.serving.http.gone import ClientGoneError
from forebay.serving.http.limits import Limits
from forebay.serving.http.refusal import RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

DISCARD_IDLE_S = 2.0
DISCARD_BYTES = 1 << 30  # of a refused body; a client that has not looked at its answer by then is cut off


async def read_body(receive: Receive, announced: int | None, most: int, claim: Claim, limits: Limits) -> bytes:
    """Read a whole body.

    Args:
        receive: ASGI's.
        announced: the request's Content-Length, None for a chunked body.
        most: bytes; an announced length above it is refused before a byte is read, as is one that the claim does not
            get memory for.
        claim: takes the memory.
        limits: how long it may take.

    Raises:
        RefusedError: too large (413), too slow (408), shorter than announced (400), or no memory is left (503, 429).
        ClientGoneError: the connection is closed.
    """
    if announced is not None:
        if announced > most:
            raise _too_large(f"Content-Length says {announced}", most)
        claim.body(announced)
    end = time.monotonic() + limits.body_s
    message = await _next(receive, 0, announced, end, limits)
    first: bytes = message.get("body", b"")
    total = len(first)
    if message.get("more_body", False):
        whole = bytearray(first)  # grows in place: joining parts at the end would take the memory twice
        del first, message
        total = await _read_on(receive, whole, announced, most, claim, limits, end)
        first = whole  # type: ignore[assignment]  # nobody changes it from now on
    elif total > most:
        raise _too_large(f"{total} came already", most)
    elif announced is None:
        claim.growing_body(total)
    if announced is not None and total != announced:
        raise RefusedError(f"expected a body of {announced} bytes as Content-Length says, got {total} before its end.")
    return first


async def _read_on(
    receive: Receive,
    whole: bytearray,
    announced: int | None,
    most: int,
    claim: Claim,
    limits: Limits,
    end: float,
) -> int:
    """Append what follows the first part; how many bytes there are in all."""
    more = True
    while more:
        message = await _next(receive, len(whole), announced, end, limits)
        whole += message.get("body", b"")
        more = message.get("more_body", False)
        if len(whole) > most:
            raise _too_large(f"{len(whole)} came already", most)
        if announced is None:
            claim.growing_body(len(whole))
    return len(whole)


async def discard(receive: Receive, seconds: float) -> None:
    """Read on without keeping anything, so that a client that still sends gets to see its answer.

    Closing a socket with unread bytes resets the connection, and the reset overtakes the answer.
    """
    total = 0
    try:
        async with asyncio.timeout(seconds):
            while total < DISCARD_BYTES:
                async with asyncio.timeout(DISCARD_IDLE_S):
                    message = await receive()
                total += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def _next(receive: Receive, total: int, announced: int | None, end: float, limits: Limits) -> Message:
    left = end - time.monotonic()
    seconds = min(left, limits.body_idle_s)
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
    except TimeoutError:
        count_shed(Shed.BODY_TIME)
        wanted = "" if announced is None else f" of {announced}"
        why = f"stopped after {total}{wanted} bytes for {seconds:g} s"
        if seconds == left:
            why = f"was not whole within {limits.body_s:g} s, {total}{wanted} bytes came (serve.body_s)"
        raise RefusedError(f"The body {why}.", 408) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _too_large(found: str, limit: int) -> RefusedError:
    return RefusedError(f"expected a body of at most {limit} bytes, {found}. Send fewer images at once.", 413)
