"""How many messages are received at once.

gRPC tells nobody how long a message will be: the whole of it lies in memory before a line of Python sees its length. So
only as many are received at once as fit into `serve.memory_mib` if each were as long as one may be, and no address may
keep the others from their turn. What waits for its turn holds no more than HTTP/2's window of 64 KiB.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from forebay.serving.admission.limits import ServerLimits
from forebay.serving.admission.shedding import ShedReason, count_shed
from forebay.serving.rejection import RequestRejectedError

TURN_S = 2.0  # where another has waited for so long, a message that is not whole after so long is given up


class _Waiter(NamedTuple):
    address: str
    future: "asyncio.Future[None]"
    start: float  # on the event loop's clock


class ReceiveGate:
    """Lets messages in, by turns. To be used from one event loop."""

    def __init__(self, limits: Callable[[], ServerLimits], max_bytes: int) -> None:
        """Messages have up to `max_bytes`."""
        self._limits = limits
        self._max_bytes = max_bytes
        self._receiving = 0
        self._by_address: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()
        self._timers: dict[asyncio.Timeout, float] = {}  # of what is being received, the oldest first; its start

    async def receive(self, address: str, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """Receive one message when its turn comes.

        Raises:
            RequestRejectedError: it was not whole in time (408).
        """
        loop, body_s = asyncio.get_running_loop(), self._limits().body_s
        await self._enter(address, loop)
        try:
            async with asyncio.timeout(body_s) as timer:
                self._timers[timer] = loop.time()
                return await read()
        except TimeoutError:
            count_shed(ShedReason.BODY_TIME)
            raise RequestRejectedError(
                f"The message was not whole within {body_s:g} s (serve.body_s), or within {TURN_S:g} s while others "
                "waited for their turn.",
                408,
            ) from None
        finally:
            self._timers.pop(timer, None)
            self._leave(address)

    def end_late(self, now: float) -> None:
        """Give up the message that has been received for longest, where another has waited too long for its turn."""
        if not self._waiting or now - self._waiting[0].start < TURN_S:
            return
        timer, start = next(iter(self._timers.items()), (None, now))
        if timer is not None and now - start >= TURN_S:
            del self._timers[timer]
            timer.reschedule(now)

    async def _enter(self, address: str, loop: asyncio.AbstractEventLoop) -> None:
        if self._has_room(address):
            self._take(address)
            return
        waiter = _Waiter(address, loop.create_future(), loop.time())
        self._waiting.append(waiter)
        try:
            await waiter.future
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            else:  # its turn came in the same moment
                self._leave(address)
            raise

    def _leave(self, address: str) -> None:
        self._receiving -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        following = next((waiter for waiter in self._waiting if self._has_room(waiter.address)), None)
        if following is not None:
            self._waiting.remove(following)
            self._take(following.address)
            following.future.set_result(None)

    def _take(self, address: str) -> None:
        self._receiving += 1
        self._by_address[address] += 1

    def _has_room(self, address: str) -> bool:
        limits = self._limits()
        at_once = max(1, limits.memory_bytes // self._max_bytes)
        return self._receiving < at_once and self._by_address[address] < limits.per_address(at_once)
