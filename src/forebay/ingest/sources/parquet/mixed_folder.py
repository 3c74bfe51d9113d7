"""Tells which files are the dataset where Parquet files and other files lie together."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile, SourceListing
from forebay.ingest.files.suffixes import has_image_suffix
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources import cifar10, idx
from forebay.ingest.sources.parquet.columns import holds_images
from forebay.ingest.sources.source_kind import SourceContents
from forebay.text import join_names

SUFFIXES = (".parquet", ".parq", ".pq")
INTERNAL_FOLDERS = ("_delta_log/", "_temporary/")  # table formats and interrupted writers make them
TABLES_TRIED = 20  # before all are opened: there may be one with features beside each of many images
ROWS_PER_EXAMPLE = 10  # from this many Parquet rows per image in class folders on, the images are mere examples
PATHS_SHOWN = 3


def is_parquet(file: SourceFile) -> bool:
    """Tell a Parquet file of a dataset by its name."""
    return file.name.lower().endswith(SUFFIXES) and not any(
        f"/{folder}" in f"/{file.path}" for folder in INTERNAL_FOLDERS
    )


def accepts_parquet(contents: SourceContents) -> bool:
    """Tell whether the Parquet files are the dataset.

    Where there are images as well, the Parquet files are opened. Files without images are no dataset, unless only a
    preview or two lie beside them. Files with images count for more than class folders if they have ten times as many
    rows.
    """
    tables = [file for file in contents.files if is_parquet(file)]
    others = [file for file in contents.files if not is_parquet(file)]
    images = [file for file in others if has_image_suffix(file.name)]
    without_tables = replace(contents, listing=SourceListing(files=others, empty_folders=[]))
    known = any(kind.accepts(without_tables) for kind in (cifar10.KIND, idx.KIND))
    if not tables or not (images or known):
        return bool(tables)
    folders = {file.path.rpartition("/")[0] for file in images} - {""}
    rows = sum(_image_rows(file) for file in tables) if any(map(_image_rows, tables[:TABLES_TRIED])) else 0
    if not rows:
        return not known and not folders and len(images) <= len(tables)
    in_folders = sum("/" in file.path for file in images)
    return not known and (len(folders) < 2 or rows >= ROWS_PER_EXAMPLE * in_folders)


def drop_stray_parquet(contents: SourceContents) -> tuple[SourceContents, list[SourceNote]]:
    """Remove the Parquet files from a dataset that is not Parquet, and return a note on them."""
    strays = [file.path for file in contents.files if is_parquet(file)]
    if not strays:
        return contents, []
    text = (
        f"Parquet beside images is passed over: {join_names(strays, PATHS_SHOWN)}. Give such a file itself to read it."
    )
    files = [file for file in contents.files if not is_parquet(file)]
    return replace(contents, listing=replace(contents.listing, files=files)), [SourceNote(text)]


def other_file_notes(files: Sequence[SourceFile]) -> list[SourceNote]:
    """Notes on files that lie beside the tables of a Parquet dataset."""
    images = [file.path for file in files if has_image_suffix(file.name)]
    notes = []
    if images:
        notes.append(SourceNote(f"Images beside Parquet are passed over: {join_names(images, PATHS_SHOWN)}."))
    if any("/_delta_log/" in f"/{file.path}" for file in files):
        notes.append(
            SourceNote(
                "This is a Delta table, whose log is not read: files that were removed from the table, but not yet "
                "from the disk, are read as well. VACUUM it, or export it."
            )
        )
    return notes


def _image_rows(file: SourceFile) -> int:
    """The number of rows of a file with images; 0 for any other file, a damaged one included."""
    if file.problem:  # opening a pipe would wait for ever
        return 0
    try:
        with open_file(file) as stream, pq.ParquetFile(stream) as table:
            return int(table.metadata.num_rows) if holds_images(table.schema_arrow) else 0
    except (pa.ArrowException, OSError):
        return 0
