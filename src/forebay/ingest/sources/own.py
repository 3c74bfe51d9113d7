"""Sources that somebody wrote: once their records are spooled (`spark/spool_pass.py`), these are ranges of bytes."""

from collections.abc import Iterator
from pathlib import Path

from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.own.spooled import spooled_records
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.source_kind import SourceContents, SourceKind
from forebay.settings.own_source import parse_own_source


def _accepts(contents: SourceContents) -> bool:
    return parse_own_source(contents.config.data) is not None


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    return spooled_records(contents.config, work)


KIND = SourceKind(kind="code", accepts=_accepts, index=_index, read=read_byte_ranges)
