"""The client at the other end of a connection, and whether it still waits for its answer."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from forebay.errors import ForebayError

CLIENT_KEY = "remote_client"  # under this key of a request's ASGI state its connection stores the client
IPV6_PREFIX_BITS = 64  # a provider gives such a network to one customer, so it counts as one address


class ClientDisconnectedError(ForebayError):
    """The client closed the connection; nobody waits for an answer."""


class DisconnectEvent:
    """Set once the connection is lost. Any thread may read it; only the event loop sets it."""

    __slots__ = ("_callbacks", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._callbacks: set[Callable[[], None]] = set()

    def set(self) -> None:
        """Record that the client disconnected, and call the callbacks."""
        self.is_set = True
        for callback in tuple(self._callbacks):
            callback()

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the event loop when the client disconnects."""
        self._callbacks.add(callback)

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Do not call `callback` any more."""
        self._callbacks.discard(callback)

    def check(self) -> None:
        """Return only while the client waits.

        Raises:
            ClientDisconnectedError: it does not.
        """
        if self.is_set:
            raise ClientDisconnectedError


@dataclass(frozen=True, eq=False)
class RemoteClient:
    """The other end of a connection."""

    address: str = ""  # an IPv4 address or an IPv6 network; empty where the socket has none
    disconnect: DisconnectEvent = field(default_factory=DisconnectEvent)


@lru_cache(4096)
def counted_address(host: str) -> str:
    """The address that a client is counted by: its IPv4 address, or its IPv6 network of 64 bits."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_PREFIX_BITS), strict=False).network_address)
