"""Reads the images of some rows, in a Spark task."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from forebay.images import UnusableImageError
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.sources.byte_ranges import pixels_from_bytes, size_error
from forebay.ingest.sources.parquet.column_types import ROW_TABLE_COLUMNS, SPARK_IMAGE
from forebay.ingest.sources.source_kind import SourceImage

BATCH_ROWS = 256
CHANNELS_OF_MODE = {0: 1, 16: 3, 24: 4}  # OpenCV's numbers of the types with one byte per channel


def read_images(rows: pa.Table, max_file_bytes: int) -> Iterator[SourceImage]:
    """Read the images of rows of the index, a whole row group at a time."""
    keys = ("uri", "offset", "size", "column")
    for uri, group, size, column in dict.fromkeys(zip(*(rows[key].to_pylist() for key in keys), strict=True)):
        with open_file(SourceFile(path="", uri=os.fsdecode(uri), size=size)) as stream, pq.ParquetFile(stream) as table:
            raw = set(ROW_TABLE_COLUMNS) <= set(table.schema_arrow.names) and column == "pixels"
            wanted = list(ROW_TABLE_COLUMNS[:4]) if raw else [column]
            for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=wanted):
                for row in batch.to_pylist():
                    yield _raw_image(row) if raw else _encoded_image(row[column], max_file_bytes)


def _raw_image(row: dict[str, Any]) -> SourceImage:
    if any(value is None for value in row.values()):
        return UnusableImageError("unreadable", "pixels or their shape are missing")
    return pixels_from_bytes(row["pixels"], row["height"], row["width"], row["channels"])


def _encoded_image(value: Any, max_file_bytes: int) -> SourceImage:
    if isinstance(value, dict) and "bytes" not in value and value.keys() >= SPARK_IMAGE:
        return _spark_image(value)
    path = value.get("path") if isinstance(value, dict) else None
    image = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(image, bytes):
        return UnusableImageError("unreadable", f"only a path ({path!r}), no bytes" if path else "the image is missing")
    return size_error(len(image), max_file_bytes) or image


def _spark_image(image: dict[str, Any]) -> SourceImage:
    """Convert Spark's image, whose channels are grey, or blue, green, red (and alpha). Alpha is composited on white."""
    channels = CHANNELS_OF_MODE.get(image["mode"])
    if channels is None or channels != image["nChannels"]:
        return UnusableImageError("unreadable", f"image of OpenCV type {image['mode']}, only 0, 16 and 24 are read")
    height, width, data = image["height"] or 0, image["width"] or 0, image["data"] or b""
    if min(height, width) < 1 or len(data) != height * width * channels:
        return UnusableImageError("unreadable", f"{len(data)} bytes are not {height}x{width}x{channels} pixels")
    pixels = np.frombuffer(data, np.uint8).reshape(height, width, channels)
    if channels == 1:
        return pixels
    colour = Image.fromarray(np.ascontiguousarray(pixels[:, :, 2::-1]))
    if channels == 4:
        alpha = Image.fromarray(np.ascontiguousarray(pixels[:, :, 3]))
        colour = Image.composite(colour, Image.new("RGB", colour.size, "white"), alpha)
    return np.array(colour, dtype=np.uint8)
