"""The index of sources whose labels do not count: folders are folders, whatever their names would mean to training."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from forebay.errors import ConfigError, DataError
from forebay.ingest.detect import DetectedSource, detect_source
from forebay.ingest.index.image_index import ImageRecord, build_index
from forebay.ingest.layout import ImageLabel
from forebay.ingest.layout.tree import counts_as_image, escapes_archive
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources import folder, labelled_images, parquet
from forebay.ingest.sources.file_records import image_record, sidecar_notes
from forebay.ingest.sources.parquet.unlabelled import index_unlabelled
from forebay.ingest.sources.source_kind import SourceContents
from forebay.object_store import is_s3_uri
from forebay.settings import IngestConfig
from forebay.settings.own_source import parse_own_source

READER = "reader"  # the column that says which kind of source reads a row
_DROPPED = ["label_name", "label_number", "split", "position"]
_FILES = (folder.KIND, labelled_images.KIND)  # kinds whose files are images, wherever they lie


@dataclass(frozen=True)
class SourceIndex:
    """The images of one source."""

    table: pa.Table  # columns of the index without labels, and READER; `source` begins with the source as it was given
    notes: list[str]  # what a person should know about how it was read


def index_source(config: IngestConfig, work: Path) -> SourceIndex:
    """Index the images of a source.

    Args:
        config: `data` is the source; of the other settings only `image_column` counts.
        work: folder for what is unpacked.

    Raises:
        ConfigError: there is nothing at the path, S3 refuses, or it names code of the user's.
        DataError: it holds no image, or a file is not what its name says.
    """
    if parse_own_source(config.data) is not None:
        raise ConfigError(
            f"{config.data} names code of your own, and a batch reads files: give a path or s3://BUCKET/PREFIX."
        )
    detected = detect_source(config, work)
    notes = [note.text for note in detected.notes]
    table = build_index(_only_records(_records(detected, work), notes))
    if len(table) == 0:
        found = ", ".join(file.path for file in detected.contents.files[:3])
        raise DataError(
            source=config.data,
            problem=f"no image among its files ({found})",
            fix="Give images, a folder or an archive of images, or Parquet with a column of images.",
        )
    reader = (
        parquet.KIND if detected.source_kind is parquet.KIND else folder.KIND
    )  # all but Parquet are ranges of bytes
    names = pa.array([_full_name(detected, name) for name in table["source"].to_pylist()], pa.string())
    table = table.drop_columns(_DROPPED)
    table = table.set_column(table.schema.get_field_index("source"), "source", names)
    return SourceIndex(table.append_column(READER, pa.repeat(pa.scalar(reader.kind), len(table))), notes)


def _records(detected: DetectedSource, work: Path) -> Iterator[ImageRecord | SourceNote]:
    if detected.source_kind in _FILES:
        return _files(detected)
    if detected.source_kind is parquet.KIND:
        return index_unlabelled(detected.contents)
    return map(_without_label, detected.source_kind.index(detected.contents, work))


def _files(detected: DetectedSource) -> Iterator[ImageRecord | SourceNote]:
    files = detected.contents.files
    named = not detected.contents.archives and _is_file(detected.contents)  # whatever its suffix is
    passed_over = []
    for file in files:
        if named or counts_as_image(file) or escapes_archive(file.path):
            yield image_record(file, ImageLabel(label=""))
        else:
            passed_over.append(file)
    yield from sidecar_notes(passed_over)


def _without_label(found: ImageRecord | SourceNote) -> ImageRecord | SourceNote:
    if isinstance(found, ImageRecord) and found.reason == "unlabelled":
        return found._replace(reason=None, detail=None)
    return found


def _only_records(found: Iterable[ImageRecord | SourceNote], notes: list[str]) -> Iterator[ImageRecord]:
    for each in found:
        if isinstance(each, SourceNote):
            notes.append(each.text)
        else:
            yield each._replace(label_name=None, split=None)


def _full_name(detected: DetectedSource, name: str) -> str:
    """The path or URI of an image; `#` separates the member of an archive and the row of a table."""
    contents = detected.contents
    given = contents.config.data
    if contents.archives == ("",):
        return f"{given}#{name}"
    if detected.source_kind.kind == given:  # digits
        return name
    if _is_file(contents):
        return given + name.removeprefix(contents.files[0].path)
    return f"{given.rstrip('/')}/{name}"


def _is_file(contents: SourceContents) -> bool:
    """Tell a source that is one file, and no folder that holds one."""
    given = contents.config.data
    return len(contents.files) == 1 and (contents.files[0].uri == given or Path(given).expanduser().is_file())


def runs_read_alike(index: pa.Table) -> Iterator[pa.Table]:
    """The runs of rows that one reader reads, from this machine or from S3: no part may mix them."""
    kinds = list(zip(index[READER].to_pylist(), map(_is_in_store, index["uri"].to_pylist()), strict=True))
    start = 0
    for _, run in groupby(kinds):
        rows = len(list(run))
        yield index.slice(start, rows)
        start += rows


def _is_in_store(uri: bytes) -> bool:
    return is_s3_uri(os.fsdecode(uri))
