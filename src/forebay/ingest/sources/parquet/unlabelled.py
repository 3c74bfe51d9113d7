"""The index of Parquet files of which only the images count."""

import os
from collections.abc import Iterator
from itertools import count

from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.parquet.columns import choose_image_column
from forebay.ingest.sources.parquet.mixed_folder import is_parquet, other_file_notes
from forebay.ingest.sources.parquet.open_file import open_parquet
from forebay.ingest.sources.parquet.survey import check_bytes, check_plain_file
from forebay.ingest.sources.source_kind import SourceContents
from forebay.settings import IngestConfig


def index_unlabelled(contents: SourceContents) -> Iterator[ImageRecord | SourceNote]:
    """Yield a record of every row, and notes on what was chosen and passed over; no file needs a column of labels.

    Raises:
        DataError: a file cannot be read, or no column or several fit as images.
    """
    for file in contents.files:
        if is_parquet(file):
            yield from _records(file, contents.config)
    yield from other_file_notes(contents.files)


def _records(file: SourceFile, config: IngestConfig) -> Iterator[ImageRecord | SourceNote]:
    check_plain_file(file)
    with open_parquet(file) as opened:
        if not opened.metadata.num_rows:
            return
        image, notes = choose_image_column(file, opened.schema_arrow, config)
        check_bytes(file, opened, image)
        yield from map(SourceNote, notes)
        uri, row = os.fsencode(file.uri), count()
        for group in range(opened.num_row_groups):
            for _ in range(opened.metadata.row_group(group).num_rows):
                source = f"{file.path}#{next(row):08d}"
                yield ImageRecord(source, None, None, uri, group, file.size, column=image)
