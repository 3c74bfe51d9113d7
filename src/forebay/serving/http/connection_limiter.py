"""The connections of a server: how many there may be, which one makes room for another, and which ones are late.

To be used from the event loop.
"""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.remote_client import RemoteClient
from forebay.serving.admission.shedding import ShedReason, count_shed


class LimitedConnection(Protocol):
    """What this module needs to know of a connection."""

    remote_client: RemoteClient
    phase_start: float  # when the present phase of the connection began, on the event loop's clock

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request, or for the rest of a head."""
        ...

    def evict(self, reason: ShedReason) -> None:
        """Close it; a client that has begun a request is told why."""
        ...

    def close_if_late(self, now: float, limits: ServerLimits) -> None:
        """Close it where the client has taken too long."""
        ...

    def reject(self, reason: ShedReason) -> None:
        """Tell the client why no request is accepted, and close it."""
        ...


class ConnectionLimiter:
    """Every open connection of one server."""

    def __init__(self, limits: Callable[[], ServerLimits]) -> None:
        self._limits = limits
        self._open: dict[LimitedConnection, None] = {}  # oldest first
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: LimitedConnection) -> ShedReason | None:
        """Accept a new connection.

        Where there is one too many, the one that has been idle longest makes room. Where none is idle, the new one may
        ask for health and metrics only.

        Returns:
            Why other requests of the new connection are rejected; None where they are not.
        """
        self._open[connection] = None
        self._by_address[connection.remote_client.address] += 1
        limits = self._limits()
        while reason := self._one_too_many(connection, limits):
            address = connection.remote_client.address if reason is ShedReason.ADDRESS_CONNECTIONS else None
            oldest = self._longest_idle(connection, address)
            if oldest is None:
                break
            count_shed(ShedReason.EVICTED)
            oldest.evict(reason)
            self.remove(oldest)
        if reason and len(self) > limits.connections + limits.spare_connections:
            connection.reject(reason)
        return reason

    def remove(self, connection: LimitedConnection) -> None:
        """Forget a connection that is closed."""
        if connection not in self._open:
            return
        del self._open[connection]
        address = connection.remote_client.address
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def close_late(self, now: float) -> None:
        """Close the connections whose clients have taken too long."""
        limits = self._limits()
        for connection in tuple(self._open):
            connection.close_if_late(now, limits)

    def reject_all(self, reason: ShedReason) -> None:
        """Tell every client why no request is accepted, and close its connection."""
        for connection in tuple(self._open):
            connection.reject(reason)

    def _one_too_many(self, connection: LimitedConnection, limits: ServerLimits) -> ShedReason | None:
        if self._by_address[connection.remote_client.address] > limits.per_address(limits.connections):
            return ShedReason.ADDRESS_CONNECTIONS
        return ShedReason.CONNECTIONS if len(self) > limits.connections else None

    def _longest_idle(self, new: LimitedConnection, address: str | None) -> LimitedConnection | None:
        idle = (
            connection
            for connection in self._open
            if connection is not new and connection.is_idle and address in (None, connection.remote_client.address)
        )
        return min(idle, key=lambda connection: connection.phase_start, default=None)
