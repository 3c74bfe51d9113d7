"""Reads images that are ranges of bytes of a file, an object or an archive."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from forebay.images import UnusableImageError
from forebay.ingest.files.reading import LocalReader, read_bytes
from forebay.ingest.files.unzip import unzip_member
from forebay.ingest.sources.source_kind import SourceImage
from forebay.object_store import is_s3_uri

S3_THREADS = 16  # a request waits for the network, not for a core


def read_byte_ranges(rows: pa.Table, max_file_bytes: int) -> Iterator[SourceImage]:
    """Read images that are ranges of bytes: encoded images, or raw pixels where the index gives their shape."""
    records = rows.select(
        ["uri", "offset", "size", "height", "width", "channels", "planar", "reason", "zipped_bytes"]
    ).to_pylist()
    if records and is_s3_uri(os.fsdecode(records[0]["uri"])):
        yield from _in_threads(partial(_read_image, read=read_bytes, max_file_bytes=max_file_bytes), records)
        return
    with LocalReader() as reader:
        for record in records:
            yield _read_image(record, read=reader.read, max_file_bytes=max_file_bytes)


def _in_threads(
    read_one: Callable[[dict[str, Any]], SourceImage], records: list[dict[str, Any]]
) -> Iterator[SourceImage]:
    iterator = iter(records)
    with ThreadPoolExecutor(S3_THREADS) as pool:
        while window := list(islice(iterator, 4 * S3_THREADS)):  # bounds the bytes in flight
            yield from pool.map(read_one, window)


def _read_image(record: dict[str, Any], *, read: Callable[[str, int, int], bytes], max_file_bytes: int) -> SourceImage:
    if record["reason"] is not None:
        return UnusableImageError(record["reason"], "")  # quarantined already: not worth a read
    refused = size_error(max(record["size"], record["zipped_bytes"]), max_file_bytes)
    if refused is not None:
        return refused
    try:
        data = read(os.fsdecode(record["uri"]), record["offset"], record["zipped_bytes"] or record["size"])
        data = unzip_member(data, record["size"]) if record["zipped_bytes"] else data
    except (FileNotFoundError, PermissionError) as error:  # any other error is not about one file and ends the step
        return UnusableImageError("unreadable", error.strerror or str(error))
    except ValueError as error:
        return UnusableImageError("unreadable", str(error))
    if record["height"] == 0:
        return data
    return pixels_from_bytes(data, record["height"], record["width"], record["channels"], planar=record["planar"])


def size_error(size: int, max_file_bytes: int) -> UnusableImageError | None:
    """The error for an image file above the limit, so that it is not read."""
    if size <= max_file_bytes:
        return None
    return UnusableImageError("too_large", f"{size} bytes, at most {max_file_bytes} are read")


def pixels_from_bytes(data: bytes, height: int, width: int, channels: int, *, planar: bool = False) -> SourceImage:
    """Turn raw bytes into pixels (H, W, C), or a `UnusableImageError` where their number does not fit the shape."""
    if min(height, width) < 1 or channels not in (1, 3) or len(data) != height * width * channels:
        return UnusableImageError("unreadable", f"{len(data)} bytes are not {height}x{width}x{channels} pixels")
    pixels = np.frombuffer(data, np.uint8)
    if planar:
        return np.ascontiguousarray(pixels.reshape(channels, height, width).transpose(1, 2, 0))
    return pixels.reshape(height, width, channels)
