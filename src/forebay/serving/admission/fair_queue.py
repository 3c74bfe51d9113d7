"""Fair queueing: a number of jobs run at once, a bounded number wait, and addresses take turns."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from forebay.serving.admission.remote_client import ClientDisconnectedError, RemoteClient
from forebay.serving.admission.shedding import ShedReason, shed_error

Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class _QueuedJob:
    """One piece of work, and the future that receives its result."""

    work: Callable[[], Any]
    client: RemoteClient
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class FairQueue:
    """Runs work in threads of a pool. To be used from one event loop."""

    def __init__(self, pool: Executor, threads: int) -> None:
        self._pool = pool
        self._threads = threads
        self._waiting: dict[str, deque[_QueuedJob]] = {}  # by address; the address whose turn is next comes first
        self._running: set[_QueuedJob] = set()
        self.length = 0  # number of jobs that wait

    async def run(self, client: RemoteClient, work: Callable[[], Result], limit: int, per_address: int) -> Result:
        """Do the work in a thread when its turn comes.

        Args:
            client: the client that waits for the result.
            work: to be done.
            limit, per_address: how many jobs may wait, and how many of one address.

        Raises:
            RequestRejectedError: too many jobs wait (503), or too many of this address (429); or the server ends.
            ClientDisconnectedError: the client left before the work began.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        job = _QueuedJob(work, client, loop, future)
        if len(self._running) < self._threads:
            self._start(job)
            return await future
        self._enqueue(job, limit, per_address)

        def cancel() -> None:
            self._drop(job)

        client.disconnect.add_callback(cancel)
        try:
            return await future
        finally:
            client.disconnect.remove_callback(cancel)

    def reject_all(self) -> None:
        """Fail every job, whether it waits or runs, because the server ends."""
        jobs = [*self._running, *(job for queue in self._waiting.values() for job in queue)]
        self._waiting.clear()
        self.length = 0
        for job in jobs:
            if not job.future.done():
                job.future.set_exception(shed_error(ShedReason.ENDING))

    def _enqueue(self, job: _QueuedJob, limit: int, per_address: int) -> None:
        if self.length >= limit:
            raise shed_error(ShedReason.QUEUE)
        queue = self._waiting.setdefault(job.client.address, deque())
        if len(queue) >= per_address:
            raise shed_error(ShedReason.ADDRESS_QUEUE)
        queue.append(job)
        self.length += 1

    def _drop(self, job: _QueuedJob) -> None:
        """Forget a job that has not begun."""
        queue = self._waiting.get(job.client.address, deque())
        if job not in queue:
            return
        queue.remove(job)
        self.length -= 1
        if not queue:
            del self._waiting[job.client.address]
        if not job.future.done():
            job.future.set_exception(ClientDisconnectedError())

    def _start(self, job: _QueuedJob) -> None:
        self._running.add(job)
        self._pool.submit(self._work, job)

    def _work(self, job: _QueuedJob) -> None:
        """Do a job; called in a thread of the pool."""
        result, error = None, None
        try:
            job.client.disconnect.check()
            result = job.work()
        except BaseException as problem:  # it is raised where the result is awaited
            error = problem
        if not job.loop.is_closed():
            job.loop.call_soon_threadsafe(self._finish, job, result, error)

    def _finish(self, job: _QueuedJob, result: object, error: BaseException | None) -> None:
        self._running.discard(job)
        if not job.future.done():  # it is done already where the server ends
            if error is None:
                job.future.set_result(result)
            else:
                job.future.set_exception(error)
        self._start_next()

    def _start_next(self) -> None:
        """Start a job of the address that has waited longest for its turn."""
        if not self._waiting or len(self._running) >= self._threads:
            return
        address = next(iter(self._waiting))
        queue = self._waiting.pop(address)
        job = queue.popleft()
        if queue:
            self._waiting[address] = queue  # behind the other addresses
        self.length -= 1
        self._start(job)
