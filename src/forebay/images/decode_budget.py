"""Between two pieces of decoding: has it taken too long, and does anybody still wait?"""

import io
import time
from typing import Protocol

from forebay.images.errors import DecodingCancelledError, too_costly
from forebay.images.limits import MAX_CPU_S, MAX_READS, SMALL_BYTES

PIECE = 4096  # bytes from which on a read counts as a piece
READS = 1024  # shorter reads that make a piece
SCAN = b"\xff\xda"


class CancellationToken(Protocol):
    """Whether who asked for the pixels is gone."""

    @property
    def is_set(self) -> bool:
        """Whether nobody waits any more. Looked at from the decoding thread, often, so it must be quick."""


class DecodeBudget:
    """Holds the work of one request, or of one image, to `limits.MAX_CPU_S`.

    It counts what the thread that made it spends on a core, not what passes on a clock: a busy machine refuses no
    image that an idle one takes.
    """

    def __init__(self, gone: CancellationToken | None = None, cpu_s: float = MAX_CPU_S) -> None:
        self._gone = gone
        self._cpu_s = cpu_s
        self._end = time.thread_time() + cpu_s

    def check(self) -> None:
        """Look at both.

        Raises:
            UnusableImageError: the time is over.
            DecodingCancelledError: nobody waits.
        """
        if self._gone is not None and self._gone.is_set:
            raise DecodingCancelledError
        if time.thread_time() > self._end:
            raise too_costly(f"decoding was stopped after {self._cpu_s:g} s of a core")


class MeteredFile(io.BytesIO):
    """An image file in memory that hands out its bytes in pieces, with a look at the budget between them."""

    def __init__(self, data: bytes, budget: DecodeBudget, *, by_scan: bool = False) -> None:
        super().__init__(data)
        self._data = data
        self._budget = budget
        self._reads = 0
        self._by_scan = by_scan  # no piece holds more than one scan of a JPEG

    def check(self) -> None:
        """As `DecodeBudget.check`; UnusableImageError as well for a file that is read in too many small pieces."""
        self._budget.check()
        if self._reads > MAX_READS:
            raise too_costly(f"a file in pieces of a few bytes, of which at most {MAX_READS} are read")

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO` does; raises as `check`."""
        self._reads += 1
        if self._by_scan:
            size = self._up_to_next_scan(size)
        piece = super().read(size)
        if len(piece) >= PIECE or self._reads % READS == 0 or self._by_scan:
            self.check()
        return piece

    def _up_to_next_scan(self, size: int | None) -> int | None:
        start = self.tell()
        end = len(self._data) if size is None or size < 0 else start + size
        found = self._data.find(SCAN, start + 1, end)
        return size if found < 0 else found - start


def open_metered(data: bytes, budget: DecodeBudget | None, *, by_scan: bool = False) -> io.BytesIO:
    """An image file for Pillow to read: one that is small is not watched, because that alone bounds what Pillow does.

    Args:
        data: the file.
        budget: a new one where there is none.
        by_scan: meter it however small it is, one scan of a JPEG after the other.
    """
    if len(data) <= SMALL_BYTES and not by_scan:
        return io.BytesIO(data)
    return MeteredFile(data, DecodeBudget() if budget is None else budget, by_scan=by_scan)
