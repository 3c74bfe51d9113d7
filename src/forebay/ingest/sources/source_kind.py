"""What a kind of source is: how it is recognised, how it is indexed, and how its images are read."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forebay.errors import DataError
from forebay.images import UnusableImageError
from forebay.ingest.files.files import LocalReader, SourceFile, SourceListing, read
from forebay.ingest.files.unzip import unzip_member
from forebay.ingest.image_index import ImageRecord
from forebay.ingest.source_note import SourceNote
from forebay.object_store import is_s3_uri
from forebay.settings import IngestConfig

S3_THREADS = 16  # a request waits for the network, not for a core

SourceImage = bytes | NDArray[np.uint8] | UnusableImageError
"""An encoded image, raw pixels (H, W, C), or why there are none."""


@dataclass(frozen=True, kw_only=True)
class SourceContents:
    """What a source is recognised by."""

    config: IngestConfig
    listing: SourceListing
    archives: tuple[str, ...] = ()  # paths that stand for an archive each; an empty one where the source is an archive

    @property
    def files(self) -> Sequence[SourceFile]:
        """The visible files, sorted by path."""
        return self.listing.files


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """One kind of source."""

    kind: str
    accepts: Callable[["SourceContents"], bool]
    index: Callable[["SourceContents", Path], Iterable[ImageRecord | SourceNote]]  # the folder is for temporary files
    read: Callable[[pa.Table, int], Iterator[SourceImage]]  # the images of some rows of the index, in their order;
    # the number is the largest image file in bytes


def read_byte_ranges(rows: pa.Table, max_file_bytes: int) -> Iterator[SourceImage]:
    """Read images that are byte ranges: encoded ones, or raw pixels where the index gives their shape."""
    records = rows.select(
        ["uri", "offset", "size", "height", "width", "channels", "planar", "reason", "zipped_bytes"]
    ).to_pylist()
    if records and is_s3_uri(os.fsdecode(records[0]["uri"])):
        yield from _in_threads(partial(_image, read=read, max_file_bytes=max_file_bytes), records)
        return
    with LocalReader() as reader:
        for record in records:
            yield _image(record, read=reader.read, max_file_bytes=max_file_bytes)


def _in_threads(
    read_one: Callable[[dict[str, Any]], SourceImage], records: list[dict[str, Any]]
) -> Iterator[SourceImage]:
    iterator = iter(records)
    with ThreadPoolExecutor(S3_THREADS) as pool:
        while window := list(islice(iterator, 4 * S3_THREADS)):  # bounds the bytes in flight
            yield from pool.map(read_one, window)


def _image(record: dict[str, Any], *, read: Callable[[str, int, int], bytes], max_file_bytes: int) -> SourceImage:
    if record["reason"] is not None:
        return UnusableImageError(record["reason"], "")  # judged already: not worth a read
    refused = size_error(max(record["size"], record["zipped_bytes"]), max_file_bytes)
    if refused is not None:
        return refused
    try:
        data = read(os.fsdecode(record["uri"]), record["offset"], record["zipped_bytes"] or record["size"])
        data = unzip_member(data, record["size"]) if record["zipped_bytes"] else data
    except (FileNotFoundError, PermissionError) as error:  # of one file; any other error ends the step
        return UnusableImageError("unreadable", error.strerror or str(error))
    except ValueError as error:
        return UnusableImageError("unreadable", str(error))
    if record["height"] == 0:
        return data
    return pixels_from_bytes(data, record["height"], record["width"], record["channels"], planar=record["planar"])


def size_error(size: int, max_file_bytes: int) -> UnusableImageError | None:
    """The error for an image file above the limit, before it is read."""
    if size <= max_file_bytes:
        return None
    return UnusableImageError("too_large", f"{size} bytes, at most {max_file_bytes} are read")


def pixels_from_bytes(data: bytes, height: int, width: int, channels: int, *, planar: bool = False) -> SourceImage:
    """Raw bytes as (H, W, C), or a `UnusableImageError` where their number does not fit the shape."""
    if min(height, width) < 1 or channels not in (1, 3) or len(data) != height * width * channels:
        return UnusableImageError("unreadable", f"{len(data)} bytes are not {height}x{width}x{channels} pixels")
    pixels = np.frombuffer(data, np.uint8)
    if planar:
        return np.ascontiguousarray(pixels.reshape(channels, height, width).transpose(1, 2, 0))
    return pixels.reshape(height, width, channels)


def invalid_file(file: SourceFile, problem: str, fix: str = "Get the file again.") -> DataError:
    """The error for a file that is not what its name says."""
    return DataError(source=file.path, problem=problem, fix=fix)


def complete_split(split: str, present: set[str]) -> str | None:
    """A source has its own split only where it brings both sides."""
    return split if present == {"train", "test"} else None
