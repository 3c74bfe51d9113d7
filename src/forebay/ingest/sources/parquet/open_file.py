"""Opens Parquet files with pyarrow."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.ingest.archives.magic import wrong_file_error
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.sources.source_kind import invalid_file


@contextmanager
def open_parquet(file: SourceFile, metadata: Any = None) -> Iterator[Any]:
    """Open a file as a `pq.ParquetFile`; `metadata` is its footer where that was read before.

    Raises:
        DataError: it is damaged or cannot be read; the message names the file.
    """
    try:
        with open_file(file) as stream, pq.ParquetFile(stream, metadata=metadata) as opened:
            yield opened
    except pa.ArrowException as error:
        raise wrong_file_error(file) or invalid_file(file, f"not a whole Parquet file ({error})") from error
    except OSError as error:  # Arrow raises it for damaged pages, the disk and the object store for their own faults
        raise invalid_file(file, f"reading it failed ({error})") from error


def value_counts(opened: Any, column: str) -> Iterator[tuple[Any, int]]:
    """The distinct values of a column in each row group, with their number of rows."""
    for group in range(opened.num_row_groups):
        for found in pc.value_counts(opened.read_row_group(group, columns=[column])[column]).to_pylist():
            yield found["values"], found["counts"]
