"""Reading a body within limits, with the socket replaced by messages."""

import asyncio
from typing import Any

import pytest

from forebay.serving.admission.inflight import Claim
from forebay.serving.http import body
from forebay.serving.http.body import Message, Receive, discard, read_body
from forebay.serving.http.gone import ClientGoneError
from forebay.serving.http.limits import Limits
from forebay.serving.http.refusal import RefusedError

IDLE_S = 0.2


def _messages(*parts: bytes | None) -> Receive:
    """A client that sends these parts; after a None it is silent for good."""
    left = list(parts)

    async def receive() -> Message:
        part = left.pop(0)
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    return receive


def _read(receive: Receive, announced: int | None = None, limit: int = 10) -> Any:
    return asyncio.run(read_body(receive, announced, limit, Claim.of_nobody(), Limits(body_idle_s=IDLE_S)))


def test_parts_are_joined_and_may_fill_the_limit_exactly() -> None:
    assert _read(_messages(b"12345", b"67890")) == b"1234567890"


def test_one_byte_over_the_limit_is_refused() -> None:
    with pytest.raises(RefusedError, match="at most 10 bytes, 11 came") as caught:
        _read(_messages(b"12345", b"678901", None))
    assert caught.value.status == 413


def test_a_body_that_stops_half_way_is_refused_after_a_while() -> None:
    with pytest.raises(RefusedError, match="stopped after 3 of 9 bytes") as caught:
        _read(_messages(b"123", None), announced=9)
    assert caught.value.status == 408


def test_a_client_that_leaves_needs_no_answer() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGoneError):
        _read(gone)
    asyncio.run(discard(gone, 60))


def test_what_is_refused_is_read_on_only_as_long_as_something_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "DISCARD_IDLE_S", 0.02)
    asyncio.run(discard(_messages(b"1", b"2", None), 60))
    asyncio.run(discard(_messages(b"1", b"2"), 60))
