"""The index: one row per image that says where its bytes lie. It is built without reading an image."""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forebay.errors import DataError
from forebay.ingest.unicode_form import nfc
from forebay.text import find_control

BATCH_ROWS = 65_536  # turned into Arrow at once


class ImageRecord(NamedTuple):
    """One image of a source."""

    source: str  # path inside the source, or file#row
    label_name: str | None
    split: str | None
    uri: bytes  # `os.fsencode` of where the bytes lie: a local name need not be UTF-8
    offset: int  # bytes; the row group in a Parquet source
    size: int  # bytes
    height: int = 0  # height, width and channels of raw pixels; 0 for an encoded image
    width: int = 0
    channels: int = 0
    planar: bool = False  # whether raw pixels are C x H x W, not H x W x C
    reason: str | None = None  # why it is quarantined before it is read: a word of contracts.rows.QUARANTINE_REASONS
    detail: str | None = None
    zipped_bytes: int = 0  # size of the image in its zip archive, header included; 0 outside of zip archives
    column: str | None = None  # the one that holds the images in a Parquet source


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
    """Build the index from records, in the order in which the images are best read.

    Returns:
        The columns of `ImageRecord`, `position` (the rank by source path) and `label_number` (equal for equal names).
    """
    iterator = iter(records)
    batches = []
    while chunk := list(islice(iterator, BATCH_ROWS)):
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), RECORD_SCHEMA, strict=True)
        ]
        batches.append(pa.record_batch(columns, schema=RECORD_SCHEMA))
    table = _unify_unicode_forms(pa.Table.from_batches(batches, RECORD_SCHEMA))
    table = table.append_column("position", _ranks(table)).append_column("label_number", _numbers(table["label_name"]))
    return table.sort_by([("uri", "ascending"), ("offset", "ascending"), ("position", "ascending")])


def check_class_names(index: pa.Table, data: str) -> None:
    """Refuse class names that would forge lines of a log or rewrite a terminal.

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


def _unify_unicode_forms(table: pa.Table) -> pa.Table:
    """Make label names that differ only in Unicode form one class, because they look the same.

    macOS writes an accent as a character of its own, other systems do not. A name that occurs in one form stays.
    """
    forms: dict[str, set[str]] = {}
    for name in pc.unique(table["label_name"].drop_null()).to_pylist():
        forms.setdefault(nfc(name), set()).add(name)
    composed = {name: key for key, names in forms.items() if len(names) > 1 for name in names}
    if not composed:
        return table
    names = pa.array([composed.get(name, name) for name in table["label_name"].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("label_name"), "label_name", names)


def _ranks(table: pa.Table) -> pa.Array:
    order = pc.sort_indices(table, [("source", "ascending"), ("offset", "ascending")]).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return pa.array(ranks)


def _numbers(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """A number per name, so that labels compare as integers; it is not the label that training sees."""
    return pc.index_in(names, value_set=pc.unique(names.drop_null()))
