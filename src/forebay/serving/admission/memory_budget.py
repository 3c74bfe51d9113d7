"""Memory that requests may hold at once: one budget for each kind of it."""

import threading
from collections import Counter
from collections.abc import Callable

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.shedding import ShedReason


class MemoryBudget:
    """Bytes that requests hold at once, in all and by address. Safe to use from several threads.

    The only request is always admitted: what one request may take is limited elsewhere.
    """

    def __init__(self) -> None:
        self.held = 0
        self._by_address: Counter[str] = Counter()
        self._released = threading.Condition()

    def reserve(self, address: str, count: int, total: int, per_address: int, own: int = 0) -> ShedReason | None:
        """Reserve `count` more bytes.

        Args:
            address: address of the client.
            count: bytes.
            total, per_address: what all requests, and those of one address, may hold.
            own: bytes that this very request holds already.

        Returns:
            Why the bytes were not reserved; None when they were.
        """
        with self._released:
            if self.held > own and self.held + count > total:
                return ShedReason.MEMORY
            of_address = self._by_address[address]
            if of_address > own and of_address + count > per_address:
                return ShedReason.ADDRESS_MEMORY
            self.held += count
            self._by_address[address] += count
        return None

    def release(self, address: str, count: int) -> None:
        """Give bytes back."""
        with self._released:
            self.held -= count
            self._by_address[address] -= count
            if not self._by_address[address]:
                del self._by_address[address]
            self._released.notify_all()

    def wait_for_release(self, timeout_s: float) -> None:
        """Sleep until some request gives bytes back, but no longer than the timeout."""
        with self._released:
            self._released.wait(timeout_s)


class MemoryBudgets:
    """The budgets of a server: bodies of small and of large requests apart, and what is decoded from them."""

    def __init__(self, limits: Callable[[], ServerLimits]) -> None:
        self.limits = limits
        self.small_bodies = MemoryBudget()
        self.large_bodies = MemoryBudget()
        self.small_decoded = MemoryBudget()  # without a total: few threads decode, and each may take little
        self.large_decoded = MemoryBudget()

    @property
    def body_bytes(self) -> int:
        """Bytes of all bodies that are held now."""
        return self.small_bodies.held + self.large_bodies.held

    @property
    def decoded_bytes(self) -> int:
        """Bytes of all that is decoded from them."""
        return self.small_decoded.held + self.large_decoded.held
