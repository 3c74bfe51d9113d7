"""What decides whether and when a request is done: limits, memory, lanes; and what Prometheus shows of it."""

import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from prometheus_client import Gauge

from forebay.serving.admission.inflight import Budgets, Claim, TooLargeError
from forebay.serving.admission.queue import Lane
from forebay.serving.admission.shed import Shed, count_shed
from forebay.serving.answer import Response
from forebay.serving.http.gone import ClientGoneError
from forebay.serving.http.limits import Limits

_QUEUE = Gauge("forebay_queue_requests", "Inference requests that wait for a thread", ["lane"])
_BODIES = Gauge("forebay_body_bytes_in_flight", "Memory that the bodies of requests hold")
_DECODED = Gauge("forebay_decoded_bytes_in_flight", "Memory that is set aside for what is made of the bodies")
_CONNECTIONS = Gauge("forebay_connections", "Connections of clients")


class Admission:
    """The state of one server; its limits may be replaced while it answers."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.budgets = Budgets(lambda: self.limits)
        self.cores = cores = len(os.sched_getaffinity(0))
        # Large requests may take every core, so small ones get threads of their own beside them.
        self.pool: Executor = ThreadPoolExecutor(2 * cores, thread_name_prefix="predict")
        self._small: Lane[Response] = Lane(self.pool, cores)
        self._large: Lane[Response] = Lane(self.pool, cores)

    async def run(self, claim: Claim, work: Callable[[], Response]) -> Response:
        """Do a request's work in a thread when it is its turn; small ones wait for no large one.

        Raises:
            RefusedError: too many wait (503; 429 where they are of this address).
            ClientGoneError: the client left meanwhile.
        """
        limits = self.limits
        try:
            if not claim.is_large:
                try:
                    return await self._small.run(claim.peer, work, limits.small_queue, limits.share(limits.small_queue))
                except TooLargeError:
                    claim.grow_large()
            return await self._large.run(claim.peer, work, limits.large_queue, limits.share(limits.large_queue))
        except ClientGoneError:
            count_shed(Shed.GONE)
            raise

    def end(self) -> None:
        """Answer 503 to all that wait for a thread, or for what runs in one."""
        self._small.end()
        self._large.end()

    def close(self) -> None:
        """Leave the threads alone: what still runs in them is ended with the process."""
        self.pool.shutdown(wait=False, cancel_futures=True)

    def show(self, connections: Callable[[], int]) -> None:
        """Let Prometheus look at this server whenever it asks."""
        _QUEUE.labels("small").set_function(lambda: self._small.length)
        _QUEUE.labels("large").set_function(lambda: self._large.length)
        _BODIES.set_function(lambda: self.budgets.body_bytes)
        _DECODED.set_function(lambda: self.budgets.decoded_bytes)
        _CONNECTIONS.set_function(connections)
