"""The kinds of source. A new one is a module here with a `Source`, and its line in `SOURCES`."""

from forebay.ingest.sources import cifar10, digits, folder, idx, labels, parquet, webdataset
from forebay.ingest.sources.base import Source, Visible

SOURCES: tuple[Source, ...] = (
    digits.SOURCE, labels.SOURCE, parquet.SOURCE, cifar10.SOURCE, idx.SOURCE, webdataset.SOURCE, folder.SOURCE,
)  # fmt: skip
"""In the order in which they are tried: the folder comes last, because it takes any file."""


def source_of(kind: str) -> Source:
    """The source of a kind, for a Spark task that was told its name."""
    return next(source for source in SOURCES if source.kind == kind)


__all__ = ["SOURCES", "Source", "Visible", "source_of"]
