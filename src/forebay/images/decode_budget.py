"""Limits of decoding that are checked between two pieces of it: the CPU time, and whether anybody still waits."""

import io
import time
from typing import Protocol

from forebay.images.errors import DecodingCancelledError, too_costly
from forebay.images.limits import MAX_CPU_S, MAX_READS, SMALL_BYTES

PIECE_BYTES = 4096  # a read of this many bytes is a piece of its own
READS_PER_PIECE = 1024  # shorter reads count as one piece
SCAN = b"\xff\xda"


class CancellationToken(Protocol):
    """Tells a decoder that nobody waits for the pixels any more."""

    @property
    def is_set(self) -> bool:
        """Whether nobody waits any more. The decoding thread reads it often, so it must be quick."""


class DecodeBudget:
    """Limits the work for one request, or for one image, to `limits.MAX_CPU_S`.

    It counts the CPU time of the thread that made it, not the time on a clock: a busy machine refuses no image that an
    idle one accepts.
    """

    def __init__(self, cancellation: CancellationToken | None = None, cpu_s: float = MAX_CPU_S) -> None:
        self._cancellation = cancellation
        self._cpu_s = cpu_s
        self._end = time.thread_time() + cpu_s

    def check(self) -> None:
        """Check both limits.

        Raises:
            UnusableImageError: the CPU time is used up.
            DecodingCancelledError: nobody waits any more.
        """
        if self._cancellation is not None and self._cancellation.is_set:
            raise DecodingCancelledError
        if time.thread_time() > self._end:
            raise too_costly(f"decoding was stopped after {self._cpu_s:g} s of a core")


class MeteredFile(io.BytesIO):
    """An image file in memory that checks a budget between two pieces of its bytes."""

    def __init__(self, data: bytes, budget: DecodeBudget, *, by_scan: bool = False) -> None:
        super().__init__(data)
        self._data = data
        self._budget = budget
        self._reads = 0
        self._by_scan = by_scan  # no piece holds more than one scan of a JPEG

    def check(self) -> None:
        """As `DecodeBudget.check`; also raises UnusableImageError where the file is read in too many small pieces."""
        self._budget.check()
        if self._reads > MAX_READS:
            raise too_costly(f"a file in pieces of a few bytes, of which at most {MAX_READS} are read")

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO` does. Raises as `check`."""
        self._reads += 1
        if self._by_scan:
            size = self._up_to_next_scan(size)
        piece = super().read(size)
        if len(piece) >= PIECE_BYTES or self._reads % READS_PER_PIECE == 0 or self._by_scan:
            self.check()
        return piece

    def _up_to_next_scan(self, size: int | None) -> int | None:
        start = self.tell()
        end = len(self._data) if size is None or size < 0 else start + size
        found = self._data.find(SCAN, start + 1, end)
        return size if found < 0 else found - start


def open_metered(data: bytes, budget: DecodeBudget | None, *, by_scan: bool = False) -> io.BytesIO:
    """Open an image file for Pillow. A small one is not metered, because its size bounds the work.

    Args:
        data: the whole file.
        budget: a new one where it is None.
        by_scan: meter a file of any size, and let no piece hold more than one scan of a JPEG.
    """
    if len(data) <= SMALL_BYTES and not by_scan:
        return io.BytesIO(data)
    return MeteredFile(data, DecodeBudget() if budget is None else budget, by_scan=by_scan)
