"""Responses, and the one form that errors have."""

from dataclasses import dataclass, field

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from forebay.serving.http.headers import RawHeaders
from forebay.serving.protocol.names import JSON
from forebay.serving.rejection import RequestRejectedError

JSON_TYPE = (b"content-type", JSON.encode())


@dataclass(frozen=True)
class HttpResponse:
    """What is sent back."""

    status: int
    body: bytes
    headers: RawHeaders = field(default_factory=list)


def rejection_response(rejection: RequestRejectedError) -> HttpResponse:
    """The response that says what was expected."""
    return error_response(rejection.status, str(rejection), list(rejection.headers))


def error_response(status: int, message: str, headers: RawHeaders | None = None) -> HttpResponse:
    """An error, as `{"error": "…"}`."""
    return HttpResponse(status, orjson.dumps({"error": message}), [JSON_TYPE, *(headers or [])])


def last_response_bytes(rejection: RequestRejectedError) -> bytes:
    """The bytes of a rejection that is the last response of a connection."""
    response = rejection_response(rejection)
    length, close = (b"content-length", str(len(response.body)).encode()), (b"connection", b"close")
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in (*response.headers, length, close))
    return STATUS_LINE[response.status] + lines + b"\r\n" + response.body
