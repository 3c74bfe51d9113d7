"""Parquet files that tests write, and how they are read up to the index."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from forebay.ingest.detect import DetectedSource, detect_source
from forebay.settings import IngestConfig

LIMIT = 1 << 20


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (2, 2), value).save(buffer, "PNG")
    return buffer.getvalue()


def write(root: Path, name: str, /, rows: int = 2, metadata: dict[str, Any] | None = None, **columns: Any) -> Path:
    """A Parquet file with images in `image`, unless it is given; returns the root."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": [png(row) for row in range(rows)], **columns})
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    pq.write_table(table, path)
    return root


def detect(data: str, work: Path, config: IngestConfig | None = None) -> DetectedSource:
    return detect_source(replace(config or IngestConfig(), data=data), work)


def texts_of(found: DetectedSource) -> list[str]:
    return [note.text for note in found.notes]


def read(data: Path, work: Path, **settings: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Records by position, and notes."""
    found = detect(str(data), work, IngestConfig(data=str(data), **settings))  # type: ignore[arg-type]
    return found.index().sort_by("position").to_pylist(), texts_of(found)


def names_of(data: Path, work: Path, **settings: str) -> list[str | None]:
    return [record["label_name"] for record in read(data, work, **settings)[0]]


def splits_of(data: Path, work: Path) -> tuple[dict[str, set[str | None]], list[str]]:
    """The splits of each file's rows, and notes."""
    records, notes = read(data, work)
    found: dict[str, set[str | None]] = {}
    for record in records:
        found.setdefault(record["source"].partition("#")[0], set()).add(record["split"])
    return found, notes


def class_folders(root: Path, per_class: int = 3) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(per_class):
            (root / name / f"{number}.png").write_bytes(png(number))
    return root
