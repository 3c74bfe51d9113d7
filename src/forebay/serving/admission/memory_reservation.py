"""Memory that one request holds: it is taken from the server's budgets, and given back when the request ends."""

import sys
import time
from types import TracebackType

from forebay.errors import ForebayError
from forebay.serving.admission.limits import MIB, ServerLimits
from forebay.serving.admission.memory_budget import MemoryBudget, MemoryBudgets
from forebay.serving.admission.remote_client import RemoteClient
from forebay.serving.admission.shedding import ShedReason, shed_error

POLL_S = 0.25  # how often a request that waits for memory checks whether its client is still connected
SOURCE_BYTES = 14  # per pixel while an image is decoded: measured on a progressive JPEG, its coefficients included
GROWTH_BYTES = 4 * MIB  # a large body of unknown length reserves memory in steps of this size


class NotSmallError(ForebayError):
    """A request needs more than a small one may; it is processed again among the large ones."""


class NotInLoopError(ForebayError):
    """A request may take the event loop too long; it is processed again in a thread."""


class MemoryReservation:
    """What one request holds; all of it is given back at the end of a `with` block."""

    __slots__ = ("_body", "_body_budget", "_budgets", "_decoded", "_source", "client", "is_large", "loop_images")

    def __init__(self, budgets: MemoryBudgets, client: RemoteClient) -> None:
        self.client = client
        self.is_large = False  # whether the request is processed among the large ones
        self.loop_images = 0  # so many images may be predicted in the event loop; 0 for a request in a thread
        self._budgets = budgets
        self._body_budget = budgets.small_bodies
        self._body = 0  # bytes
        self._decoded = 0
        self._source = 0  # the part of `_decoded` that the image which is being decoded takes

    @classmethod
    def standalone(cls) -> "MemoryReservation":
        """A reservation with budgets of its own, for use without a server."""
        return cls(MemoryBudgets(ServerLimits), RemoteClient())

    def __enter__(self) -> "MemoryReservation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._body:
            self._body_budget.release(self.client.address, self._body)
        self._release_decoded(self._decoded)
        self._body = 0

    def reserve_body(self, size: int) -> None:
        """Hold a body of this size from now on.

        Raises:
            RequestRejectedError: all bodies (503), or those of this address (429), take too much memory.
        """
        if size <= self._body:
            return
        limits = self._budgets.limits()
        for_small = limits.memory_bytes * limits.small_percent // 100
        if size <= limits.small_bytes and self._body_budget is self._budgets.small_bodies:
            self._grow_body(self._budgets.small_bodies, size, for_small, limits)
        else:
            self._grow_body(self._budgets.large_bodies, size, limits.memory_bytes - for_small, limits)

    def reserve_growing_body(self, size: int) -> None:
        """Hold a body whose final length is not known; a large one reserves memory in steps. Raises as above."""
        if size > self._body:
            small = size <= self._budgets.limits().small_bytes
            self.reserve_body(size if small else -(-size // GROWTH_BYTES) * GROWTH_BYTES)

    def reserve_decompressed(self, size: int) -> None:
        """Hold a body together with what it decompresses to; called in a thread of the pool.

        Raises:
            NotSmallError: it is too much for a small request.
            RequestRejectedError: all bodies (503), or those of this address (429), take too much memory.
            ClientDisconnectedError: nobody waits for the answer any more.
        """
        if not self.is_large and size > self._budgets.limits().small_bytes:
            raise NotSmallError
        self.client.disconnect.check()
        self.reserve_growing_body(size)

    def check_image_count(self, count: int, height: int, width: int) -> None:
        """Accept `count` images of the model's size.

        Raises:
            NotInLoopError: they take the event loop too long.
            NotSmallError: they are too many for a small request.
        """
        if self.loop_images and count > self.loop_images:
            raise NotInLoopError
        if count > 1 and not self.is_large and count * height * width > self._budgets.limits().small_pixels:
            raise NotSmallError

    def reserve_decoded(self, count: int) -> None:
        """Hold `count` more decoded bytes; the first time this waits for other requests, in a thread of the pool.

        Raises:
            NotInLoopError: it was called in the event loop.
            NotSmallError: it is too much for a small request.
            RequestRejectedError: there is no memory for it now (503).
            ClientDisconnectedError: nobody waits for the answer any more.
        """
        if self.loop_images:  # what is decoded from files may take any time, whatever their size
            raise NotInLoopError
        limits = self._budgets.limits()
        total = limits.decoded_bytes
        if not self.is_large:
            if self._decoded + count > limits.small_decoded_bytes:
                raise NotSmallError
            total = sys.maxsize
        end = time.monotonic() + (0 if self._decoded else limits.decoded_wait_s)
        while self._decoded_budget.reserve(self.client.address, count, total, total, self._decoded):
            if time.monotonic() >= end:
                raise shed_error(ShedReason.DECODED)
            self._decoded_budget.wait_for_release(POLL_S)
            self.client.disconnect.check()
        self._decoded += count

    def reserve_decode_buffer(self, pixels: int) -> None:
        """Hold what one image of this many pixels takes while it is decoded; raises as `reserve_decoded`."""
        self.reserve_decoded(pixels * SOURCE_BYTES)
        self._source = pixels * SOURCE_BYTES

    def release_decode_buffer(self) -> None:
        """Give back what the last image took while it was decoded."""
        self._release_decoded(self._source)

    def leave_loop(self) -> None:
        """Process the request in a thread, from the beginning."""
        self.loop_images = 0

    def restart_as_large(self) -> None:
        """Process the request among the large ones, from the beginning."""
        self._release_decoded(self._decoded)
        self.is_large = True

    def _release_decoded(self, count: int) -> None:
        if count:
            self._decoded -= count
            self._source = 0
            self._decoded_budget.release(self.client.address, count)

    @property
    def _decoded_budget(self) -> MemoryBudget:
        return self._budgets.large_decoded if self.is_large else self._budgets.small_decoded

    def _grow_body(self, budget: MemoryBudget, size: int, total: int, limits: ServerLimits) -> None:
        own = self._body if budget is self._body_budget else 0
        reason = budget.reserve(self.client.address, size - own, total, limits.per_address(total), own)
        if reason:
            raise shed_error(reason)
        if budget is not self._body_budget and self._body:
            self._body_budget.release(self.client.address, self._body)
        self._body_budget, self._body = budget, size
