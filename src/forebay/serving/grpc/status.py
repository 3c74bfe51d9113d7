"""Rejections in gRPC's terms: the words of REST, with the status code that stands for its HTTP status."""

from typing import Any, NoReturn

from grpc import StatusCode

from forebay.serving.rejection import RequestRejectedError

STATUS_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    408: StatusCode.DEADLINE_EXCEEDED,
    413: StatusCode.RESOURCE_EXHAUSTED,  # as gRPC itself answers to a message that is too large
    429: StatusCode.RESOURCE_EXHAUSTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.UNAVAILABLE,  # which clients retry
}


async def abort(context: Any, rejection: RequestRejectedError) -> NoReturn:
    """End a call with a rejection; its headers, such as `retry-after`, become trailing metadata."""
    trailing = tuple((name.decode(), value.decode()) for name, value in rejection.headers)
    await context.abort(STATUS_CODES[rejection.status], str(rejection), trailing)
    raise AssertionError  # `abort` always raises
