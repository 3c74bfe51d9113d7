"""Lanes: so many requests of a kind run at once, a bounded number wait, addresses take turns."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from forebay.serving.admission.shed import Shed, shed
from forebay.serving.http.gone import ClientGoneError, Peer

Answer = TypeVar("Answer")


@dataclass(eq=False, slots=True)
class _Job(Generic[Answer]):
    """One piece of work, and where its outcome goes."""

    work: Callable[[], Answer]
    peer: Peer
    loop: asyncio.AbstractEventLoop
    outcome: "asyncio.Future[Answer]"


class Lane(Generic[Answer]):
    """Runs work in threads of a pool. To be used from one event loop."""

    def __init__(self, pool: Executor, threads: int) -> None:
        self._pool = pool
        self._threads = threads
        self._waiting: dict[str, deque[_Job[Answer]]] = {}  # by address, the next one first
        self._running: set[_Job[Answer]] = set()
        self.length = 0  # jobs that wait

    async def run(self, peer: Peer, work: Callable[[], Answer], most: int, share: int) -> Answer:
        """Do the work in a thread, once it is its turn; at most `most` wait, and `share` of one address.

        Raises:
            RefusedError: too many wait (503), or too many of this address (429); or the server ends.
            ClientGoneError: the client left before it began.
        """
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Answer] = loop.create_future()
        job = _Job(work, peer, loop, outcome)
        if len(self._running) < self._threads:
            self._start(job)
            return await job.outcome
        self._enqueue(job, most, share)

        def leave() -> None:
            self._drop(job)

        peer.gone.watch(leave)
        try:
            return await job.outcome
        finally:
            peer.gone.unwatch(leave)

    def end(self) -> None:
        """Let nobody wait any longer, neither for a thread nor for what runs in one."""
        jobs = [*self._running, *(job for queue in self._waiting.values() for job in queue)]
        self._waiting.clear()
        self.length = 0
        for job in jobs:
            if not job.outcome.done():
                job.outcome.set_exception(shed(Shed.ENDING))

    def _enqueue(self, job: _Job[Answer], most: int, share: int) -> None:
        if self.length >= most:
            raise shed(Shed.QUEUE)
        queue = self._waiting.setdefault(job.peer.address, deque())
        if len(queue) >= share:
            raise shed(Shed.ADDRESS_QUEUE)
        queue.append(job)
        self.length += 1

    def _drop(self, job: _Job[Answer]) -> None:
        """Forget a job that has not begun."""
        queue = self._waiting.get(job.peer.address, deque())
        if job not in queue:
            return
        queue.remove(job)
        self.length -= 1
        if not queue:
            del self._waiting[job.peer.address]
        if not job.outcome.done():
            job.outcome.set_exception(ClientGoneError())

    def _start(self, job: _Job[Answer]) -> None:
        self._running.add(job)
        self._pool.submit(self._work, job)

    def _work(self, job: _Job[Answer]) -> None:
        """In a thread."""
        answer, error = None, None
        try:
            job.peer.gone.check()
            answer = job.work()
        except BaseException as problem:  # it is raised where the work is waited for
            error = problem
        if not job.loop.is_closed():
            job.loop.call_soon_threadsafe(self._done, job, answer, error)

    def _done(self, job: _Job[Answer], answer: Answer | None, error: BaseException | None) -> None:
        self._running.discard(job)
        if not job.outcome.done():  # it is where the server ends
            if error is None:
                job.outcome.set_result(cast(Answer, answer))
            else:
                job.outcome.set_exception(error)
        self._next()

    def _next(self) -> None:
        """Start the job whose address has waited longest for its turn."""
        if not self._waiting or len(self._running) >= self._threads:
            return
        address = next(iter(self._waiting))
        queue = self._waiting.pop(address)
        job = queue.popleft()
        if queue:
            self._waiting[address] = queue  # behind the other addresses
        self.length -= 1
        self._start(job)
