"""Headers of requests and responses."""

from collections.abc import Iterable

from forebay.serving.rejection import RequestRejectedError

RawHeaders = list[tuple[bytes, bytes]]  # in the order in which they are sent
HeaderMap = dict[bytes, bytes]  # from names in lower case to values


def join_headers(headers: Iterable[tuple[bytes, bytes]]) -> HeaderMap:
    """Each name once, in lower case; values of a repeated name are joined into a list (RFC 9110, section 5.3).

    A header that may come only once is then not accepted: two hosts joined are not a name of this server.
    """
    joined: HeaderMap = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


def content_length(headers: HeaderMap) -> int | None:
    """The length of the body that the request announces; None for a chunked body."""
    found = headers.get(b"content-length")
    return None if found is None else int(found)  # the HTTP parser lets only digits through


def require_post(method: str) -> None:
    """Accept POST alone.

    Raises:
        RequestRejectedError: it is another method (405).
    """
    if method != "POST":
        raise RequestRejectedError(f"expected POST, got {method}.", 405, ((b"allow", b"POST"),))
