"""Reading a request's body within limits, and letting the rest of a refused one pass."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from forebay.serving.wire.refusal import RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

IDLE_S = 15.0  # without a byte of a body that was announced
DISCARD_IDLE_S = 2.0
DISCARD_BYTES = 1 << 30  # of a refused body; a client that has not looked at its answer by then is cut off


class ClientGoneError(Exception):
    """The client closed the connection; nobody waits for an answer."""


async def read_body(receive: Receive, announced: int | None, limit: int) -> bytes:
    """Read a whole body.

    Args:
        receive: ASGI's.
        announced: the request's Content-Length, None for a chunked body.
        limit: bytes; an announced length above it is refused before a byte is read.

    Raises:
        RefusedError: too large (413), stopped half way (408), or shorter than announced (400).
        ClientGoneError: the connection is closed.
    """
    if announced is not None and announced > limit:
        raise _too_large(f"Content-Length says {announced}", limit)
    parts: list[bytes] = []
    total, more = 0, True
    while more:
        message = await _next(receive, total, announced)
        parts.append(message.get("body", b""))
        total += len(parts[-1])
        more = message.get("more_body", False)
        if total > limit:
            raise _too_large(f"{total} came already", limit)
    if announced is not None and total != announced:
        raise RefusedError(f"expected a body of {announced} bytes as Content-Length says, got {total} before its end.")
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def discard(receive: Receive) -> None:
    """Read on without keeping anything, so that a client that still sends gets to see its answer.

    Closing a socket with unread bytes resets the connection, and the reset overtakes the answer.
    """
    total = 0
    try:
        while total < DISCARD_BYTES:
            async with asyncio.timeout(DISCARD_IDLE_S):
                message = await receive()
            total += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return
    except TimeoutError:
        return


async def _next(receive: Receive, total: int, announced: int | None) -> Message:
    try:
        async with asyncio.timeout(IDLE_S):
            message = await receive()
    except TimeoutError:
        wanted = "" if announced is None else f" of {announced}"
        raise RefusedError(f"The body stopped after {total}{wanted} bytes for {IDLE_S:g} s.", 408) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def _too_large(found: str, limit: int) -> RefusedError:
    return RefusedError(f"expected a body of at most {limit} bytes, {found}. Send fewer pictures at once.", 413)
