"""Admission control: it decides whether and when a request is processed, and exports the numbers to Prometheus."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from prometheus_client import Gauge

from forebay.serving.admission.fair_queue import FairQueue
from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.memory_budget import MemoryBudgets
from forebay.serving.admission.memory_reservation import MemoryReservation, NotInLoopError, NotSmallError
from forebay.serving.admission.remote_client import ClientDisconnectedError
from forebay.serving.admission.shedding import ShedReason, count_shed
from forebay.serving.metrics import REGISTRY

_QUEUE = Gauge("forebay_queue_requests", "Inference requests that wait for a thread", ["lane"], registry=REGISTRY)
_BODIES = Gauge("forebay_body_bytes_in_flight", "Memory that the bodies of requests hold", registry=REGISTRY)
_DECODED = Gauge(
    "forebay_decoded_bytes_in_flight", "Memory that is set aside for what is made of the bodies", registry=REGISTRY
)
_CONNECTIONS = Gauge("forebay_connections", "Connections of clients", registry=REGISTRY)

Result = TypeVar("Result")
LOOP_ANSWERS = 4  # in one turn of the event loop; what more there is waits for its turn with that of its address


class AdmissionControl:
    """The limits, budgets and queues of one server; the limits may be replaced while it answers."""

    def __init__(self, limits: ServerLimits | None = None) -> None:
        self.limits = limits or ServerLimits()
        self.budgets = MemoryBudgets(lambda: self.limits)
        self.cores = cores = len(os.sched_getaffinity(0))
        # Large requests may take every core, so small ones get threads of their own beside them.
        self.pool: Executor = ThreadPoolExecutor(2 * cores, thread_name_prefix="predict")
        self._small = FairQueue(self.pool, cores)
        self._large = FairQueue(self.pool, cores)
        self._loop_answers = 0  # in this turn of the event loop

    async def run(self, reservation: MemoryReservation, work: Callable[[], Result]) -> Result:
        """Process a request in a thread when its turn comes; a small one waits for no large one.

        Where `reservation.loop_images` allows it and nothing waits, it is processed here and now.

        Raises:
            RequestRejectedError: too many requests wait (503), or too many of this address (429).
            ClientDisconnectedError: the client left meanwhile.
        """
        limits, client = self.limits, reservation.client
        try:
            if reservation.loop_images:
                if self._has_turn():
                    try:
                        return work()
                    except NotInLoopError:
                        pass
                reservation.leave_loop()
            if not reservation.is_large:
                try:
                    small = limits.small_queue
                    return await self._small.run(client, work, small, limits.per_address(small))
                except NotSmallError:
                    reservation.restart_as_large()
            large = limits.large_queue
            return await self._large.run(client, work, large, limits.per_address(large))
        except ClientDisconnectedError:
            count_shed(ShedReason.GONE)
            raise

    def _has_turn(self) -> bool:
        """Whether one more request may be answered in this turn of the event loop."""
        if self._small.length or self._loop_answers >= LOOP_ANSWERS:
            return False
        if not self._loop_answers:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._loop_answers += 1
        return True

    def _begin_turn(self) -> None:
        self._loop_answers = 0

    def reject_all(self) -> None:
        """Answer every request that waits for a thread, or for what runs in one, with 503."""
        self._small.reject_all()
        self._large.reject_all()

    def close(self) -> None:
        """Start no more work; threads that still run end with the process."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def export_metrics(self, connection_count: Callable[[], int]) -> None:
        """Let Prometheus read the numbers of this server whenever it asks."""
        _QUEUE.labels("small").set_function(lambda: self._small.length)
        _QUEUE.labels("large").set_function(lambda: self._large.length)
        _BODIES.set_function(lambda: self.budgets.body_bytes)
        _DECODED.set_function(lambda: self.budgets.decoded_bytes)
        _CONNECTIONS.set_function(connection_count)
