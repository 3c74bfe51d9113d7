"""Memory that requests hold: budgets over all of them, and what each one has taken from them."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from forebay.serving.admission.shed import Shed, shed
from forebay.serving.http.gone import Peer
from forebay.serving.http.limits import MIB, Limits

WAIT_S = 20.0  # for memory that another request gives back once it is answered
LOOK_S = 0.25  # how often who waits looks whether its client is still there
SOURCE_BYTES = 14  # a pixel of an image while it is decoded: of a progressive JPEG, with its coefficients, as measured
STEP_BYTES = 4 * MIB  # by which a body of unknown length takes more


class TooLargeError(Exception):
    """A request turned out to need more than small ones may; it is done again among the large ones."""


class Budget:
    """Bytes that requests hold at once, in all and by address. Safe to use from several threads.

    Whoever is alone is always admitted: what one request may take is limited elsewhere.
    """

    def __init__(self) -> None:
        self.held = 0
        self._by_address: Counter[str] = Counter()
        self._changed = threading.Condition()

    def take(self, address: str, count: int, total: int, share: int, own: int = 0) -> Shed | None:
        """Take so many bytes more; what stands against it, None when they are taken.

        Args:
            address: of the client.
            count: bytes.
            total, share: what all requests, and those of one address, may hold.
            own: what this very request holds already.
        """
        with self._changed:
            if self.held > own and self.held + count > total:
                return Shed.MEMORY
            of_address = self._by_address[address]
            if of_address > own and of_address + count > share:
                return Shed.ADDRESS_MEMORY
            self.held += count
            self._by_address[address] += count
        return None

    def give(self, address: str, count: int) -> None:
        """Give bytes back."""
        with self._changed:
            self.held -= count
            self._by_address[address] -= count
            if not self._by_address[address]:
                del self._by_address[address]
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Sleep until somebody gives something back, at most so long."""
        with self._changed:
            self._changed.wait(seconds)


class Budgets:
    """The budgets of a server: bodies of small and of large requests apart, and what is made of them."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self.limits = limits
        self.small = Budget()
        self.large = Budget()
        self.small_decoded = Budget()  # without an end of its own: few threads, and little for each
        self.decoded = Budget()

    @property
    def body_bytes(self) -> int:
        """Of all bodies that are held now."""
        return self.small.held + self.large.held

    @property
    def decoded_bytes(self) -> int:
        """Of what is made of them."""
        return self.small_decoded.held + self.decoded.held


class Claim:
    """What one request holds; all of it is given back at the end of a `with` block."""

    __slots__ = ("_body", "_budgets", "_decoded", "_from", "_source", "is_large", "peer")

    def __init__(self, budgets: Budgets, peer: Peer) -> None:
        self.peer = peer
        self.is_large = False  # whether it is done among the large ones
        self._budgets = budgets
        self._from = budgets.small
        self._body = 0
        self._decoded = 0
        self._source = 0  # of these, for the image that is being decoded

    @classmethod
    def of_nobody(cls) -> "Claim":
        """One on budgets of its own, for what no server asks."""
        return cls(Budgets(Limits), Peer())

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._body:
            self._from.give(self.peer.address, self._body)
        self._release(self._decoded)
        self._body = 0

    def body(self, size: int) -> None:
        """Hold a body of this size from now on.

        Raises:
            RefusedError: all bodies (503), or those of this address (429), take too much memory.
        """
        if size <= self._body:
            return
        limits = self._budgets.limits()
        reserved = limits.memory_bytes * limits.small_percent // 100
        if size <= limits.small_bytes and self._from is self._budgets.small:
            self._grow(self._budgets.small, size, reserved, limits)
        else:
            self._grow(self._budgets.large, size, limits.memory_bytes - reserved, limits)

    def growing_body(self, size: int) -> None:
        """As `body`, for one whose length nobody has told: it takes more in steps, as it comes."""
        if size > self._body:
            small = size <= self._budgets.limits().small_bytes
            self.body(size if small else -(-size // STEP_BYTES) * STEP_BYTES)

    def unpacked(self, size: int) -> None:
        """As `growing_body`, for a body with what it holds decompressed; in a thread of the pool.

        Raises:
            TooLargeError: it is too much for a small request.
        """
        if not self.is_large and size > self._budgets.limits().small_bytes:
            raise TooLargeError
        self.peer.gone.check()
        self.growing_body(size)

    def images(self, count: int, height: int, width: int) -> None:
        """Go on with so many images of the model's size.

        Raises:
            TooLargeError: they are too many for a small request.
        """
        if count > 1 and not self.is_large and count * height * width > self._budgets.limits().small_pixels:
            raise TooLargeError

    def decoded(self, count: int) -> None:
        """Take memory for what is decoded; the first time it waits for others, in a thread of the pool.

        Raises:
            TooLargeError: it is too much for a small request.
            RefusedError: there is no memory for it now (503).
            ClientGoneError: nobody waits for it any more.
        """
        total = self._budgets.limits().decoded_bytes
        if not self.is_large:
            if self._decoded + count > self._budgets.limits().small_decoded_bytes:
                raise TooLargeError
            total = sys.maxsize
        end = time.monotonic() + (0 if self._decoded else WAIT_S)
        while self._decoded_of.take(self.peer.address, count, total, total, self._decoded):
            if time.monotonic() >= end:
                raise shed(Shed.DECODED)
            self._decoded_of.wait(LOOK_S)
            self.peer.gone.check()
        self._decoded += count

    def decoded_source(self, pixels: int) -> None:
        """As `decoded`, for one image of so many pixels while it is being decoded."""
        self.decoded(pixels * SOURCE_BYTES)
        self._source = pixels * SOURCE_BYTES

    def release_source(self) -> None:
        """Give back what the last image took."""
        self._release(self._source)

    def grow_large(self) -> None:
        """Go on among the large requests, from the beginning."""
        self._release(self._decoded)
        self.is_large = True

    def _release(self, count: int) -> None:
        if count:
            self._decoded -= count
            self._source = 0
            self._decoded_of.give(self.peer.address, count)

    @property
    def _decoded_of(self) -> Budget:
        return self._budgets.decoded if self.is_large else self._budgets.small_decoded

    def _grow(self, budget: Budget, size: int, total: int, limits: Limits) -> None:
        own = self._body if budget is self._from else 0
        reason = budget.take(self.peer.address, size - own, total, limits.share(total), own)
        if reason:
            raise shed(reason)
        if budget is not self._from and self._body:
            self._from.give(self.peer.address, self._body)
        self._from, self._body = budget, size
