"""Who asks, and whether anybody still waits for the answer."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

PEER = "peer"  # the key of a request's state under which its connection says who asks
IPV6_NETWORK_BITS = 64  # what one customer of a provider has for himself, so it counts as one address


class ClientGoneError(Exception):
    """The client closed the connection; nobody waits for an answer."""


class Gone:
    """Set once the connection is lost. Any thread may look; only the event loop sets it."""

    __slots__ = ("_watchers", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._watchers: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Say that the client is gone."""
        self.is_set = True
        for call in tuple(self._watchers):
            call()

    def watch(self, call: Callable[[], None]) -> None:
        """Call this when the client goes; in the event loop."""
        self._watchers.add(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._watchers.discard(call)

    def check(self) -> None:
        """Go on only for somebody who waits.

        Raises:
            ClientGoneError: nobody does.
        """
        if self.is_set:
            raise ClientGoneError


@dataclass(frozen=True, eq=False)
class Peer:
    """The other end of a connection."""

    address: str = ""  # an IPv4 address or an IPv6 network; empty where the socket has none
    gone: Gone = field(default_factory=Gone)


@lru_cache(4096)
def counted_address(host: str) -> str:
    """What a client is counted by: its IPv4 address, or its IPv6 network of 64 bits."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False).network_address)
