"""The first pass, in a Spark task: read and decode the images of one part, and stage them as Parquet."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.contracts.rows import pixel_digest
from forebay.images import DecodedImage, UnusableImageError, bit_depth_of, decode_values, fit, to_8_bits, to_channels
from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape
from forebay.ingest.index.parts import INDEX, read_part
from forebay.ingest.sources import get_source_kind
from forebay.ingest.sources.source_kind import SourceImage
from forebay.ingest.spark.staged import STAGED_SCHEMA, staged_name
from forebay.ingest.spark.task_storage import TaskStorage
from forebay.ingest.target_format import TargetFormat

BATCH_BYTES = 16 << 20  # pixels held at once take this many, without the one image that is being decoded


@dataclass(frozen=True, kw_only=True)
class DecodeJob:
    """What a task needs to know. It travels to the Spark workers, so it holds plain values only."""

    work: TaskStorage  # holds INDEX and receives the staged parts
    kind: str  # the name of the source kind
    target: TargetFormat
    fit: str  # what becomes of another aspect ratio: a word of ingest.fit
    resize: bool  # else images of another size are quarantined
    max_pixels: int
    max_file_bytes: int


def decode_part(job: DecodeJob, part: int) -> Counter[DecodeOutcome]:
    """Stage one part. A second call replaces the same file."""
    outcomes: Counter[DecodeOutcome] = Counter()
    with (
        job.work.write_file(staged_name(part)) as path,
        pq.ParquetWriter(path, STAGED_SCHEMA, compression="lz4", use_dictionary=["label_name"]) as writer,
    ):
        for batch in _batches(_staged_rows(job, part, outcomes), job.target.shape):
            writer.write_table(pa.Table.from_pylist(batch, STAGED_SCHEMA))
    return outcomes


def sample_outcomes(job: DecodeJob, rows: pa.Table) -> Counter[DecodeOutcome]:
    """Decode the images of some rows of the index and count how they are; unreadable ones are left out."""
    images = islice(get_source_kind(job.kind).read(rows, job.max_file_bytes), len(rows))  # Parquet gives whole groups
    decoded = (_decode(image, job.max_pixels) for image in images)
    return Counter(_source_outcome(image) for image in decoded if not isinstance(image, UnusableImageError))


def _batches(rows: Iterator[dict[str, Any]], shape: ImageShape) -> Iterator[list[dict[str, Any]]]:
    limit = max(1, BATCH_BYTES // (shape.height * shape.width * shape.channels))
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == limit:
            yield batch
            batch = []
    if batch:
        yield batch


def _staged_rows(job: DecodeJob, part: int, outcomes: Counter[DecodeOutcome]) -> Iterator[dict[str, Any]]:
    with job.work.open_file(INDEX) as index:
        table = read_part(index, part)
    kept = ["position", "source", "label_name", "label_number", "split", "reason", "detail"]
    images = get_source_kind(job.kind).read(table, job.max_file_bytes)
    for record, image in zip(table.select(kept).to_pylist(), images, strict=True):
        outcome, result = _convert(record, image, job)
        outcomes[outcome] += 1
        if isinstance(result, UnusableImageError):
            yield {**record, "reason": result.reason, "detail": result.detail}
        else:
            pixels = result.tobytes()
            yield {**record, "pixels": pixels, "sha256": pixel_digest(pixels, *job.target.shape).hex()}


def _convert(
    record: dict[str, Any], image: SourceImage, job: DecodeJob
) -> tuple[DecodeOutcome, NDArray[np.uint8] | UnusableImageError]:
    """What became of the image, and its pixels in the target format, or why there are none."""
    if record["reason"] is not None:
        return DecodeOutcome(None, record["reason"]), UnusableImageError(record["reason"], record["detail"])
    decoded = _decode(image, job.max_pixels)
    if isinstance(decoded, UnusableImageError):
        return DecodeOutcome(None, decoded.reason), decoded
    outcome = _source_outcome(decoded)
    if not job.resize and decoded.values.shape[:2] != job.target.size:
        found, wanted = ("x".join(map(str, size)) for size in (decoded.values.shape[:2], job.target.size))
        error = UnusableImageError("mis_sized", f"{found}, not {wanted}")
        return outcome._replace(reason=error.reason), error
    height, width, channels = job.target.shape
    pixels = to_channels(to_8_bits(decoded, job.target.bits), channels)
    return outcome, fit(pixels, height, width, job.fit)


def _decode(image: SourceImage, max_pixels: int) -> DecodedImage | UnusableImageError:
    if isinstance(image, UnusableImageError):
        return image
    if not isinstance(image, bytes):
        return DecodedImage(image)
    try:
        return decode_values(image, max_pixels=max_pixels)
    except UnusableImageError as error:
        return error


def _source_outcome(decoded: DecodedImage) -> DecodeOutcome:
    values = decoded.values
    depth = bit_depth_of(cast("NDArray[np.uint16]", values)) if values.itemsize == 2 else None
    height, width, channels = values.shape
    return DecodeOutcome(ImageShape(height, width, channels), None, depth)
