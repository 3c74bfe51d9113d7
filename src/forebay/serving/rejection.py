"""The one error that becomes an HTTP answer."""

import reprlib

from forebay.errors import ForebayError

_REPR = reprlib.Repr()  # bounded: the plain repr of a body of 64 MiB would take seconds
_REPR.maxlist = _REPR.maxdict = _REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = 60


class RequestRejectedError(ForebayError):
    """A request is answered with an error status and a message that says what was expected."""

    def __init__(self, message: str, status: int = 400, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def short_repr(value: object) -> str:
    """A value of the request for a message, cut to a length that a person reads."""
    return _REPR.repr(value)
