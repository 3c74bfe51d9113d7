"""The index: one row per image that says where its bytes lie. The driver builds it without reading an image."""

import unicodedata
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.errors import DataError
from forebay.text import find_control

INDEX = "index.parquet"  # of the work place
PART_ROWS = 1024  # of one Spark task; fixed numbers, so that the result is the same on any number of cores
PART_BYTES = 32 << 20
BATCH = 65_536


class ImageRecord(NamedTuple):
    """One image of a source."""

    source: str  # path inside the source, or file#row
    label_name: str | None
    split: str | None
    uri: bytes  # `os.fsencode` of where the bytes lie: a local name need not be UTF-8
    offset: int  # bytes; of a Parquet source the row group
    size: int  # bytes
    height: int = 0  # of raw pixels; 0 for an encoded image
    width: int = 0
    channels: int = 0
    planar: bool = False  # raw pixels as C x H x W, not H x W x C
    reason: str | None = None  # quarantined already: a word of contracts.rows.REASONS
    detail: str | None = None
    zipped_bytes: int = 0  # bytes that an image takes in its zip archive, from its header on; 0 elsewhere
    column: str | None = None  # of a Parquet source: the one that holds the images


RECORD_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("label_name", pa.string()),
        ("split", pa.string()),
        ("uri", pa.binary()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("channels", pa.int32()),
        ("planar", pa.bool_()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("zipped_bytes", pa.int64()),
        ("column", pa.string()),
    ]
)


def build_index(records: Iterable[ImageRecord]) -> pa.Table:
    """The records in the order in which they are best read, with their rank by source path.

    Returns:
        The columns of `ImageRecord`, `position` (the rank) and `label_number` (equal where label names are equal).
    """
    iterator = iter(records)
    batches = []
    while chunk := list(islice(iterator, BATCH)):
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), RECORD_SCHEMA, strict=True)
        ]
        batches.append(pa.record_batch(columns, schema=RECORD_SCHEMA))
    table = _unify_unicode_forms(pa.Table.from_batches(batches, RECORD_SCHEMA))
    table = table.append_column("position", _ranks(table)).append_column("label_number", _numbers(table["label_name"]))
    return table.sort_by([("uri", "ascending"), ("offset", "ascending"), ("position", "ascending")])


def check_class_names(index: pa.Table, data: str) -> None:
    """Refuse names that would forge lines of logs and rewrite terminals wherever a class is named.

    Args:
        index: the index of the source.
        data: the source, for the message.

    Raises:
        DataError: a class name holds a control character.
    """
    for name in pc.unique(index["label_name"].drop_null()).to_pylist():
        forbidden = find_control(name)
        if forbidden:
            raise DataError(
                source=data,
                problem=f"the class name {name!r} holds {forbidden}, which no name of a class may",
                fix="Rename the folder, or the label in its table",
            )


def part_starts(index: pa.Table) -> list[int]:
    """Where each task's rows begin; rows with the same bytes (a Parquet row group) are never parted."""
    starts, size, last = [0], 0, None
    places = zip(index["uri"].to_pylist(), index["offset"].to_pylist(), index["size"].to_pylist(), strict=True)
    for row, (uri, offset, row_bytes) in enumerate(places):
        full = row - starts[-1] >= PART_ROWS or size + row_bytes > PART_BYTES
        if full and (uri, offset) != last and row > starts[-1]:
            starts.append(row)
            size = 0
        size += row_bytes
        last = (uri, offset)
    return starts


def write_index(index: pa.Table, path: Path) -> int:
    """Write one row group per task and return their number."""
    starts = part_starts(index)
    with pq.ParquetWriter(path, index.schema) as writer:
        for start, stop in zip(starts, [*starts[1:], len(index)], strict=True):
            writer.write_table(index.slice(start, stop - start), row_group_size=max(1, stop - start))
    return len(starts)


def read_part(source: Path | BinaryIO, part: int) -> pa.Table:
    """The rows of one task."""
    with pq.ParquetFile(source) as file:
        return file.read_row_group(part)


def _unify_unicode_forms(table: pa.Table) -> pa.Table:
    """Label names that differ only in how Unicode writes them are one class, as their names look the same.

    macOS writes an accent as a letter of its own, other systems do not; a name that occurs in one form is left alone.
    """
    forms: dict[str, set[str]] = {}
    for name in pc.unique(table["label_name"].drop_null()).to_pylist():
        forms.setdefault(unicodedata.normalize("NFC", name), set()).add(name)
    twice = {name: nfc for nfc, names in forms.items() if len(names) > 1 for name in names}
    if not twice:
        return table
    names = pa.array([twice.get(name, name) for name in table["label_name"].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("label_name"), "label_name", names)


def _ranks(table: pa.Table) -> pa.Array:
    order = pc.sort_indices(table, [("source", "ascending"), ("offset", "ascending")]).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return pa.array(ranks)


def _numbers(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """A number per name, so that comparing labels compares integers; not the label that training sees."""
    return pc.index_in(names, value_set=pc.unique(names.drop_null()))
