"""In a Spark task: read and decode the images of one part, exactly as the server does, and write them as Parquet."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.decoded_images import ImageFormat, decoded_name, decoded_schema
from forebay.contracts.rows import pixel_digest
from forebay.images import MAX_PIXELS, DecodedImage, UnusableImageError, decode, fit, to_8_bits, to_channels
from forebay.ingest.index.parts import INDEX, read_part
from forebay.ingest.sources import get_source_kind
from forebay.ingest.sources.source_kind import SourceImage
from forebay.ingest.spark.task_storage import LocalStorage, TaskStorage
from forebay.ingest.unlabelled.index import READER
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.state.file_digest import file_sha256

BATCH_BYTES = 16 << 20  # pixels in one row group, and in memory at once


@dataclass(frozen=True, kw_only=True)
class DecodeImagesJob:
    """What a task needs to know. It travels to the Spark workers, so it holds plain values only."""

    work: TaskStorage  # holds INDEX
    out: TaskStorage  # receives the decoded parts
    format: ImageFormat
    max_file_bytes: int


def decode_part(job: DecodeImagesJob, part: int) -> pa.RecordBatch:
    """Decode one part. A second call replaces the same file.

    Returns:
        One row: the part's number, and the sha256 of its file where that has to be fetched from elsewhere.
    """
    with job.work.open_file(INDEX) as index:
        table = read_part(index, part)
    digest, schema = "", decoded_schema()
    with job.out.write_file(decoded_name(part)) as path:
        with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=False) as writer:
            for batch in _batches(_rows(job, table), max(1, BATCH_BYTES // job.format.image_bytes)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
        if not isinstance(job.out, LocalStorage):
            digest = file_sha256(path)
    return pa.record_batch({"part": pa.array([part], pa.int32()), "sha256": pa.array([digest], pa.string())})


def _batches(rows: Iterator[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(job: DecodeImagesJob, table: pa.Table) -> Iterator[dict[str, Any]]:
    records = table.select(["source", "reason", "detail"]).to_pylist()
    images = get_source_kind(table[READER][0].as_py()).read(table, job.max_file_bytes)
    for record, image in zip(records, images, strict=True):
        if record["reason"] is not None:  # before it was read
            yield {**record, "detail": record["detail"] or ""}
            continue
        try:
            yield {**record, **_prepared(image, job.format)}
        except UnusableImageError as error:
            yield {**record, "reason": error.reason, "detail": error.detail}


def _prepared(image: SourceImage, wanted: ImageFormat) -> dict[str, Any]:
    """The columns of a usable image; raises as `forebay.images.decode`."""
    if isinstance(image, UnusableImageError):
        raise image
    if isinstance(image, bytes):
        pixels_HWC = decode(image, channels=None, max_pixels=MAX_PIXELS, bits=wanted.bits)
        sha256 = hashlib.sha256(image).hexdigest()
    else:
        pixels_HWC = to_8_bits(DecodedImage(image), wanted.bits)
        sha256 = pixel_digest(pixels_HWC.tobytes(), *pixels_HWC.shape).hex()
    fitted = fit(to_channels(pixels_HWC, wanted.channels), wanted.height, wanted.width, wanted.fit)
    return {"sha256": sha256, "pixels": fitted.tobytes(), **OriginalImage.of(pixels_HWC)._asdict()}
