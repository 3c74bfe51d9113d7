"""A request's headers by name."""

from collections.abc import Iterable


def joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Each name once, in small letters; one that came several times as the list that it stands for (RFC 9110, 5.3).

    A header that may come only once is then none that is taken: two hosts are no name of this server.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found
