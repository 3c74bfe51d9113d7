"""Image folders: one sub-folder per class, on disk, in S3 or in an archive; `forebay.ingest.layout` holds the rules."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.suffixes import has_image_suffix, has_sidecar_suffix
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.labels.label_table import read_label_table
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.ingest.layout import FolderLayout, ImageLabel, folder_tree, read_layout
from forebay.ingest.layout.tree import escapes_archive, folder_path
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.file_records import image_record, sidecar_notes
from forebay.ingest.sources.source_kind import SourceContents, SourceKind
from forebay.settings import AUTO

MAX_TABLES_TRIED = 20  # tables that lie one beside each image are no tables of labels
_OUTSIDE = ImageLabel()


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    layout = folder_layout(contents)
    yield from layout.notes
    sidecars = []
    for file in contents.files:
        label = layout.labels.get(folder_path(file.path), _OUTSIDE)
        if label.left_out:
            continue
        if has_sidecar_suffix(file.name):
            sidecars.append(file)
        elif label.label is not None or has_image_suffix(file.name) or escapes_archive(file.path):
            yield image_record(file, label)
    yield from sidecar_notes(sidecars)


def folder_layout(contents: SourceContents) -> FolderLayout:
    """Find out what the folders of a source mean.

    Raises:
        DataError: they can be read in several ways.
    """
    level = None if contents.config.class_level == AUTO else int(contents.config.class_level)
    data = contents.config.data
    return read_layout(folder_tree(contents.listing, Path(data).name), data, level, lambda: _find_label_table(contents))


def _find_label_table(contents: SourceContents) -> str:
    """The table to advise for the labels: one that can be read and names images, else one whose name fits."""
    tables = [file for file in contents.files if file.name.lower().endswith((".csv", ".tsv"))]
    likely = [file for file in tables if "submission" not in file.name.lower()]
    matcher = NameMatcher([file.path for file in contents.files if has_image_suffix(file.name)])
    for file in likely[:MAX_TABLES_TRIED]:
        with suppress(DataError):
            table = read_label_table(file, contents.config)
            if any(matcher.find(line.file, table.folder) for line in table.lines):
                return file.path
    return likely[0].path if likely else ""


KIND = SourceKind(kind="folder", accepts=lambda contents: bool(contents.files), index=_index, read=read_byte_ranges)
