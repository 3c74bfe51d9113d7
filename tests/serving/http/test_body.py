"""Reading a body within limits, with the socket replaced by messages."""

import asyncio
from typing import Any

import pytest

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import ClientDisconnectedError
from forebay.serving.http.asgi import Message, Receive
from forebay.serving.http.body import discard_body, read_body
from forebay.serving.rejection import RequestRejectedError

LIMITS = ServerLimits(body_idle_s=0.2, discard_s=60, discard_idle_s=0.02)


def _messages(*parts: bytes | None) -> Receive:
    """A client that sends these parts; at a None it stops sending."""
    left = list(parts)

    async def receive() -> Message:
        part = left.pop(0)
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return receive


def _read(receive: Receive, announced: int | None = None, limit: int = 10) -> Any:
    return asyncio.run(read_body(receive, announced, limit, MemoryReservation.standalone(), LIMITS))


def test_parts_are_joined_and_may_fill_the_limit_exactly() -> None:
    assert _read(_messages(b"12345", b"67890")) == b"1234567890"


def test_one_byte_over_the_limit_is_refused() -> None:
    with pytest.raises(RequestRejectedError, match="at most 10 bytes, 11 came") as caught:
        _read(_messages(b"12345", b"678901", None))
    assert caught.value.status == 413


def test_a_body_that_stops_half_way_is_refused_after_a_while() -> None:
    with pytest.raises(RequestRejectedError, match="stopped after 3 of 9 bytes") as caught:
        _read(_messages(b"123", None), announced=9)
    assert caught.value.status == 408


def test_a_client_that_leaves_needs_no_answer() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientDisconnectedError):
        _read(gone)
    asyncio.run(discard_body(gone, LIMITS))


def test_what_is_refused_is_read_on_only_as_long_as_something_comes() -> None:
    asyncio.run(discard_body(_messages(b"1", b"2", None), LIMITS))
    asyncio.run(discard_body(_messages(b"1", b"2"), LIMITS))
