"""What a source of your own gives: records. Import it as `from forebay.ingest import Record`.

A source is a class or a function. It is called with the options that stand behind `?` in `ingest.data`, as texts, and
gives the records: it yields them itself, or it has a method `records`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Record(NamedTuple):
    """One image with its label. A plain tuple of the same values in this order is a record as well."""

    image: "bytes | NDArray[np.uint8] | None"
    """The bytes of an image file, as they are; or pixels, uint8, (H, W) or (H, W, 1) grey, (H, W, 3) red, green, blue.
    None, where the image is missing: the record is quarantined."""

    label: str | int | None
    """The name of its class. None, or an empty text, where nobody knows it: the record is quarantined."""

    split: str | None = None
    """`train` or `test`, where the source has a split of its own; see preprocess.split."""

    id: str = ""
    """What messages and tables call it, such as a path or a key; without one, they give its number."""


class Source(Protocol):
    """A source that is read in one go."""

    def records(self) -> Iterable[Record]:
        """Give the records one after another. They are written to disk as they come: yield them, do not collect them.

        Equal images may come twice: the first by its id is kept, and the others are quarantined.
        """


class PartitionedSource(Protocol):
    """A source that is read in parallel: each partition in a process of its own, by a new instance."""

    def partitions(self) -> Sequence[str | int]:
        """Name the parts of the source, such as files, years or ranges of keys."""

    def records(self, partition: str | int) -> Iterable[Record]:
        """Give the records of one part."""


class FingerprintedSource(Protocol):
    """A source that tells which data are there now. Any source may have this method."""

    def fingerprint(self) -> str:
        """Identify the present data: equal data give equal texts, and every change another one.

        A run takes its rows from the cache where the code, the options, the files that options name and this text are
        those of an earlier run. It is asked before a run and must be quick: a number of rows and the newest time, say.
        """
