"""The table of what was spooled of a source that somebody wrote, and the index's records that it gives."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.labels.split_names import SplitNames
from forebay.ingest.source_note import SourceNote
from forebay.settings import IngestConfig
from forebay.settings.own_source import OwnSource, parse_own_source

SPOOLED = "spooled.parquet"  # in the folder of this machine
SPOOLED_SCHEMA = pa.schema(
    [
        pa.field("part", pa.int32()),
        pa.field("number", pa.int64()),  # from 1 in each part
        pa.field("id", pa.string()),
        pa.field("label", pa.string()),
        pa.field("split", pa.string()),
        pa.field("uri", pa.string()),  # of the spool file
        pa.field("offset", pa.int64()),  # bytes
        pa.field("size", pa.int64()),  # bytes
        pa.field("height", pa.int32()),  # as the next two 0 for an encoded image
        pa.field("width", pa.int32()),
        pa.field("channels", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("error", pa.string()),  # why the part could not be read; nothing else stands beside it
    ]
)
_DDL_TYPES = {pa.int32(): "int", pa.int64(): "long", pa.string(): "string"}
SPOOLED_DDL = ", ".join(f"{field.name} {_DDL_TYPES[field.type]}" for field in SPOOLED_SCHEMA)  # the same, for Spark


def spooled_records(config: IngestConfig, scratch: Path) -> Iterator[ImageRecord | SourceNote]:
    """The index's records of what SPOOLED in `scratch` lists, and notes on its splits."""
    own = named_source(config)
    table = pq.read_table(scratch / SPOOLED)
    names = _split_names(table, own)
    yield from names.drop_unlabelled()
    yield from names.notes()
    roles = names.roles()
    parts = table["part"][-1].as_py() > 0
    for batch in table.to_batches():
        for row in batch.to_pylist():
            number = f"{row['part']}/{row['number']:08d}" if parts else f"{row['number']:08d}"
            yield ImageRecord(
                row["id"] or f"{own.short_name}#{number}", row["label"], roles.get(row["split"]),
                os.fsencode(row["uri"]), row["offset"], row["size"], row["height"], row["width"], row["channels"],
                reason=row["reason"], detail=row["detail"],
            )  # fmt: skip


def _split_names(table: pa.Table, own: OwnSource) -> SplitNames:
    names = SplitNames()
    counts: Counter[tuple[Any, bool]] = Counter()
    for batch in table.select(["split", "label"]).to_batches():
        splits, labels = (column.to_pylist() for column in batch.columns)
        counts.update((split, label is not None) for split, label in zip(splits, labels, strict=True))
    for (split, labelled), rows in counts.items():
        names.add(split, rows, own.short_name, labelled=labelled)
    return names


def named_source(config: IngestConfig) -> OwnSource:
    """The source that `ingest.data` names, which is known to be one that somebody wrote."""
    own = parse_own_source(config.data)
    assert own is not None, config.data
    return own
