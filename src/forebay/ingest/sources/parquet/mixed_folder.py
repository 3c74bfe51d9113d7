"""Parquet files and other files in one place: which of them are the dataset."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.files.files import SourceFile, SourceListing, open_file
from forebay.ingest.layout import is_image
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources import cifar10, idx
from forebay.ingest.sources.parquet.columns import holds_images
from forebay.ingest.sources.source_kind import SourceContents

ENDINGS = (".parquet", ".parq", ".pq")
BOOKKEEPING = ("_delta_log/", "_temporary/")  # folders of table formats and of writers that broke off
LOOKED_AT = 20  # tables, before all are opened: beside each of many images there may be one with its features
OUTVOTED = 10  # Parquet rows per image in class folders, above which the images are examples
SHOWN = 3


def is_parquet(file: SourceFile) -> bool:
    """Tell a Parquet file of a dataset by its name."""
    return file.name.lower().endswith(ENDINGS) and not any(f"/{folder}" in f"/{file.path}" for folder in BOOKKEEPING)


def accepts(contents: SourceContents) -> bool:
    """Tell whether the Parquet files are the dataset.

    Where there are images as well, the Parquet files are opened: those without images are no dataset, unless all
    that lies beside them is a preview or two; and class folders are outvoted only by ten times as many rows.
    """
    tables = [file for file in contents.files if is_parquet(file)]
    others = [file for file in contents.files if not is_parquet(file)]
    images = [file for file in others if is_image(file.name)]
    beside = replace(contents, listing=SourceListing(files=others, empty_folders=[]))
    known = any(source.accepts(beside) for source in (cifar10.KIND, idx.KIND))
    if not tables or not (images or known):
        return bool(tables)
    folders = {file.path.rpartition("/")[0] for file in images} - {""}
    rows = sum(_image_rows(file) for file in tables) if any(map(_image_rows, tables[:LOOKED_AT])) else 0
    if not rows:
        return not known and not folders and len(images) <= len(tables)
    inside = sum("/" in file.path for file in images)
    return not known and (len(folders) < 2 or rows >= OUTVOTED * inside)


def drop_stray_parquet(contents: SourceContents) -> tuple[SourceContents, list[SourceNote]]:
    """A dataset that is not Parquet, without the Parquet files in it, and what to say of those."""
    strays = [file.path for file in contents.files if is_parquet(file)]
    if not strays:
        return contents, []
    text = f"Parquet beside images is passed over: {_named(strays)}. Give such a file itself to read it."
    files = [file for file in contents.files if not is_parquet(file)]
    return replace(contents, listing=replace(contents.listing, files=files)), [SourceNote(text)]


def other_file_notes(files: Sequence[SourceFile]) -> list[SourceNote]:
    """What to say of files that lie beside the tables of a Parquet dataset."""
    images = [file.path for file in files if is_image(file.name)]
    notes = []
    if images:
        notes.append(SourceNote(f"Images beside Parquet are passed over: {_named(images)}."))
    if any("/_delta_log/" in f"/{file.path}" for file in files):
        notes.append(
            SourceNote(
                "This is a Delta table, whose log is not read: files that were removed from the table, but not yet "
                "from the disk, are read as well. VACUUM it, or export it."
            )
        )
    return notes


def _image_rows(file: SourceFile) -> int:
    """Rows of a file with images; 0 for any other file, a damaged one included."""
    if file.problem:  # opening a pipe would wait for ever
        return 0
    try:
        with open_file(file) as stream, pq.ParquetFile(stream) as table:
            return int(table.metadata.num_rows) if holds_images(table.schema_arrow) else 0
    except (pa.ArrowException, OSError):
        return 0


def _named(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return f"{', '.join(paths[:SHOWN])}{more}"
