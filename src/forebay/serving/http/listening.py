"""Who is connected: how many may be, who makes room, and who has taken too long. To be used from the event loop."""

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from forebay.serving.admission.shed import Shed, count_shed
from forebay.serving.http.gone import Peer
from forebay.serving.http.limits import Limits


class Guest(Protocol):
    """What this module knows of a connection."""

    peer: Peer
    since: float  # when its present phase began, on the event loop's clock

    @property
    def is_waiting(self) -> bool:
        """Whether it only waits for a request, or for the rest of a head."""
        ...

    def make_room(self, reason: Shed) -> None:
        """Close it; it is told why where it has begun a request."""
        ...

    def check_time(self, now: float, limits: Limits) -> None:
        """Close it where it has taken too long."""
        ...

    def turn_away(self, reason: Shed) -> None:
        """Say why no request is taken, and close it."""
        ...


class Guests:
    """The connections of one server."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._present: dict[Guest, None] = {}  # in the order in which they came
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._present)

    def arrive(self, guest: Guest) -> Shed | None:
        """Take a new connection in.

        Where one is too many, the one that has waited longest for a request makes room. Where all are busy, the new
        one may ask for health and metrics only.

        Returns:
            What stands against anything else; None where all may be asked.
        """
        self._present[guest] = None
        self._by_address[guest.peer.address] += 1
        limits = self._limits()
        while reason := self._too_many(guest, limits):
            address = guest.peer.address if reason is Shed.ADDRESS_CONNECTIONS else None
            oldest = self._longest_waiting(guest, address)
            if oldest is None:
                break
            count_shed(Shed.EVICTED)
            oldest.make_room(reason)
            self.leave(oldest)
        if reason and len(self) > limits.connections + limits.spare_connections:
            guest.turn_away(reason)
        return reason

    def _too_many(self, guest: Guest, limits: Limits) -> Shed | None:
        if self._by_address[guest.peer.address] > limits.share(limits.connections):
            return Shed.ADDRESS_CONNECTIONS
        return Shed.CONNECTIONS if len(self) > limits.connections else None

    def leave(self, guest: Guest) -> None:
        """Forget a connection that is closed."""
        if guest not in self._present:
            return
        del self._present[guest]
        address = guest.peer.address
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def check_time(self, now: float) -> None:
        """Close those that have taken too long."""
        limits = self._limits()
        for guest in tuple(self._present):
            guest.check_time(now, limits)

    def turn_away(self, reason: Shed) -> None:
        """Close all."""
        for guest in tuple(self._present):
            guest.turn_away(reason)

    def _longest_waiting(self, but: Guest, address: str | None) -> Guest | None:
        waiting = (
            guest
            for guest in self._present
            if guest is not but and guest.is_waiting and address in (None, guest.peer.address)
        )
        return min(waiting, key=lambda guest: guest.since, default=None)
