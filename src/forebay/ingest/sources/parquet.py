"""Parquet: this project's own row table, or columns `image` and `label` as the Hugging Face hub writes them.

- Own rows (`contracts.rows`): `pixels`, `height`, `width`, `channels`, `label_name`, and `split` where it is there.
- `image` holds encoded pictures as binary, or as a struct with a field `bytes`. `label` is text or a whole number;
  numbers are named by the class names in the file's `huggingface` metadata where it has them.
"""

import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.files import File, open_file
from forebay.ingest.index import Record
from forebay.ingest.sources.base import Picture, Source, Visible, as_pixels, bad_file, too_many_bytes
from forebay.pictures import PictureError

OWN = ("pixels", "height", "width", "channels", "label_name")
BATCH_ROWS = 256


def _accepts(visible: Visible) -> bool:
    return any(file.name.endswith(".parquet") for file in visible.files)


def _index(visible: Visible, work: Path) -> Iterator[Record]:
    for file in visible.files:
        if file.name.endswith(".parquet"):
            if file.offset:
                raise bad_file(file, "Parquet inside an archive is not read", "Unpack it and give the folder.")
            try:
                yield from _records(file)
            except pa.ArrowException as error:
                raise bad_file(file, f"not a whole Parquet file ({error})") from error


def _records(file: File) -> Iterator[Record]:
    # The file's place and size travel in `uri` and `size`: enough for a task to open it again.
    uri, row = os.fsencode(file.uri), count()
    with open_file(file) as stream, pq.ParquetFile(stream) as table:
        label, split = _label_columns(file, table.schema_arrow)
        names = _class_names(table.schema_arrow, label)
        for group in range(table.num_row_groups):
            columns = table.read_row_group(group, columns=[label, *([split] if split else [])])
            splits = columns[split].to_pylist() if split else [None] * len(columns)
            for value, own_split in zip(columns[label].to_pylist(), splits, strict=True):
                name = _label_name(value, names)
                yield Record(
                    f"{file.path}#{next(row):08d}", name, own_split, uri, group, file.size,
                    reason=None if name else "unlabelled",
                    detail=None if name else f"label {value!r}",
                )  # fmt: skip


def _label_columns(file: File, schema: pa.Schema) -> tuple[str, str | None]:
    if set(OWN) <= set(schema.names):
        return "label_name", "split" if "split" in schema.names else None
    if {"image", "label"} <= set(schema.names) and _is_image(schema.field("image").type):
        return "label", None
    raise bad_file(
        file,
        f"its columns are {', '.join(schema.names) or 'none'}",
        f"Give Parquet with columns image (encoded pictures) and label, or {', '.join(OWN)}.",
    )


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(schema: pa.Schema, label: str) -> list[str] | None:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, ValueError, TypeError):  # no such metadata, or another shape of it: numbers name themselves
        return None


def _label_name(value: Any, names: list[str] | None) -> str | None:
    if isinstance(value, int) and names is not None:
        return names[value] if 0 <= value < len(names) else None
    return None if value is None or str(value) == "" else str(value)


def _read(rows: pa.Table, max_file_bytes: int) -> Iterator[Picture]:
    groups = dict.fromkeys(
        zip(rows["uri"].to_pylist(), rows["offset"].to_pylist(), rows["size"].to_pylist(), strict=True)
    )
    for uri, group, size in groups:
        file = File(path="", uri=os.fsdecode(uri), size=size)
        with open_file(file) as stream, pq.ParquetFile(stream) as table:
            own = set(OWN) <= set(table.schema_arrow.names)
            columns = list(OWN[:4]) if own else ["image"]
            for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                for row in batch.to_pylist():
                    yield _own_picture(row) if own else _picture(row, max_file_bytes)


def _own_picture(row: dict[str, Any]) -> Picture:
    if any(value is None for value in row.values()):
        return PictureError("unreadable", "pixels or their shape are missing")
    return as_pixels(row["pixels"], row["height"], row["width"], row["channels"])


def _picture(row: dict[str, Any], max_file_bytes: int) -> Picture:
    image = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
    if not isinstance(image, bytes):
        return PictureError("unreadable", "the image is missing")
    return too_many_bytes(len(image), max_file_bytes) or image


SOURCE = Source(kind="parquet", accepts=_accepts, index=_index, read=_read)
