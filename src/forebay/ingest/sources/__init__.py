"""The kinds of source. A new one is a module here with a `SourceKind`, and its line in `SOURCE_KINDS`."""

from forebay.ingest.sources import cifar10, digits, folder, idx, labelled_images, own, parquet, webdataset
from forebay.ingest.sources.source_kind import SourceContents, SourceKind

SOURCE_KINDS: tuple[SourceKind, ...] = (
    digits.KIND, own.KIND, labelled_images.KIND, parquet.KIND, cifar10.KIND, idx.KIND, webdataset.KIND, folder.KIND,
)  # fmt: skip
"""They are tried in this order. The folder comes last, because it accepts any file."""


def get_source_kind(kind: str) -> SourceKind:
    """The source kind of a name; a Spark task knows only the name."""
    return next(each for each in SOURCE_KINDS if each.kind == kind)


__all__ = ["SOURCE_KINDS", "SourceContents", "SourceKind", "get_source_kind"]
