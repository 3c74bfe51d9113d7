"""Image folders: one sub-folder per class, on disk, in S3 or in an archive; `forebay.ingest.layout` holds the rules."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.files import SourceFile
from forebay.ingest.image_index import ImageRecord
from forebay.ingest.labels.label_table import read_label_table
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.ingest.layout import FolderLayout, ImageLabel, folder_tree, has_sidecar_suffix, is_image, read_layout
from forebay.ingest.layout.tree import counted, escapes_archive, folder_path, most_common_suffixes
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.source_kind import SourceContents, SourceKind, read_byte_ranges
from forebay.settings import AUTO

TABLES_TRIED = 20  # a table beside each image is no table of labels


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    layout = folder_layout(contents)
    yield from layout.notes
    sidecars = []
    for file in contents.files:
        place = layout.labels.get(folder_path(file.path), _OUTSIDE)
        if place.left_out:
            continue
        if has_sidecar_suffix(file.name):
            sidecars.append(file)
        elif place.label is not None or is_image(file.name) or escapes_archive(file.path):
            yield record(file, place)
    yield from sidecar_notes(sidecars)


_OUTSIDE = ImageLabel()


def folder_layout(contents: SourceContents) -> FolderLayout:
    """What the folders of a source mean.

    Raises:
        DataError: they can be read in several ways.
    """
    level = None if contents.config.class_level == AUTO else int(contents.config.class_level)
    data = contents.config.data
    return read_layout(folder_tree(contents.listing, Path(data).name), data, level, lambda: _label_table(contents))


def _label_table(contents: SourceContents) -> str:
    """A table to advise for the labels: one that can be read and names images, else one that may."""
    tables = [file for file in contents.files if file.name.lower().endswith((".csv", ".tsv"))]
    likely = [file for file in tables if "submission" not in file.name.lower()]
    matcher = NameMatcher([file.path for file in contents.files if is_image(file.name)])
    for file in likely[:TABLES_TRIED]:
        with suppress(DataError):
            table = read_label_table(file, contents.config)
            if any(matcher.find(line.file, table.folder) for line in table.lines):
                return file.path
    return likely[0].path if likely else ""


def sidecar_notes(files: Sequence[SourceFile]) -> Iterator[SourceNote]:
    """What was passed over beside the images."""
    if files:
        suffixes = most_common_suffixes(file.name for file in files)
        yield SourceNote(
            f"Passed over as no images: {counted(len(files), 'file')} ({suffixes}), such as {files[0].path}."
        )


def record(file: SourceFile, place: ImageLabel) -> ImageRecord:
    """The row of an image file."""
    reason, detail = None, None
    if file.problem:
        reason, detail = "unreadable", file.problem
    elif place.label is None:
        reason, detail = "unlabelled", place.detail
    return ImageRecord(
        file.path, place.label, place.split, os.fsencode(file.uri), file.offset, file.size,
        reason=reason, detail=detail, zipped_bytes=file.zipped_bytes,
    )  # fmt: skip


KIND = SourceKind(kind="folder", accepts=lambda contents: bool(contents.files), index=_index, read=read_byte_ranges)
