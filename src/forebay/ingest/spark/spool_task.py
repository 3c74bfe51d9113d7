"""Spools the records of a source that somebody wrote, in a Spark task: images one after another in one file.

What stands in the index is returned, and so is an error: thrown, it would come back as a trace of Java's.
"""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from forebay.errors import ConfigError, UserCodeError
from forebay.ingest.own.check_record import CheckedRecord, check_record
from forebay.ingest.own.open_source import OpenSource, Partition, open_source
from forebay.ingest.own.spooled import SPOOLED_SCHEMA
from forebay.ingest.spark.task_storage import TaskStorage
from forebay.settings.own_source import OwnSource
from forebay.text import one_line

LOOK_EVERY_BYTES = 64 << 20
BATCH_ROWS = 8192


@dataclass(frozen=True, kw_only=True)
class SpoolLimits:
    """When a source counts as endless."""

    max_records: int = 10_000_000  # of one part
    min_free_bytes: int = 1 << 30  # on the disk that receives the images


@dataclass(frozen=True, kw_only=True)
class SpoolJob:
    """What a task needs to know. It travels to the Spark workers, so it holds plain values only."""

    own: OwnSource
    code: str  # `ingest.source_code`
    partitions: list[Partition] | None  # None for a source without partitions
    work: TaskStorage  # receives the images
    max_pixels: int
    max_file_bytes: int
    limits: SpoolLimits


def spool_part(job: SpoolJob, part: int) -> pa.RecordBatch:
    """Spool one part, and return a row of SPOOLED_SCHEMA for each record, or one with an error."""
    name = f"spooled-{part:05d}"
    uri = job.work.address(f"{name}.bin")
    try:
        with job.work.write_file(f"{name}.bin") as path, path.open("wb") as file:
            return _one_batch({**row, "part": part, "uri": uri} for row in _spooled(job, part, path, file))
    except (UserCodeError, ConfigError) as error:
        return pa.RecordBatch.from_pylist([{"part": part, "error": str(error)}], SPOOLED_SCHEMA)


def _one_batch(rows: Iterable[dict[str, Any]]) -> pa.RecordBatch:
    """All rows as one batch. Rows of Python take ten times the memory, so only a few exist at once."""
    iterator, batches = iter(rows), list[pa.RecordBatch]()
    while chunk := list(islice(iterator, BATCH_ROWS)):
        batches.append(pa.RecordBatch.from_pylist(chunk, SPOOLED_SCHEMA))
    whole = pa.Table.from_batches(batches, SPOOLED_SCHEMA).combine_chunks().to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], SPOOLED_SCHEMA)


def _spooled(job: SpoolJob, part: int, path: Path, file: BinaryIO) -> Iterator[dict[str, Any]]:
    opened = open_source(job.own, job.code)
    partition = () if job.partitions is None else (job.partitions[part],)
    where = f" of partition {partition[0]!r}" if partition else ""
    looked = 0
    for number, given in enumerate(opened.records(*partition), 1):
        record = check_record(given, job.max_pixels, job.max_file_bytes)
        if isinstance(record, str):
            name = f" ({one_line(str(given[3]))[:80]})" if isinstance(given, tuple) and len(given) > 3 else ""
            raise UserCodeError(f"{opened.name}: record {number}{name}{where} {record}.")
        offset = file.tell()
        yield _written(record, file) | {"number": number, "offset": offset}
        if number > job.limits.max_records:
            raise _endless(opened, number, where, f"{job.limits.max_records} are taken at most")
        if file.tell() - looked > LOOK_EVERY_BYTES or number == 1:
            looked = file.tell()
            _check_disk(job, opened, path, f"{number}{where}")


def _written(record: CheckedRecord, file: BinaryIO) -> dict[str, Any]:
    facts = {key: value for key, value in record._asdict().items() if key != "image"}
    if isinstance(record.image, bytes):
        return facts | {"size": file.write(record.image), "height": 0, "width": 0, "channels": 0}
    height, width, channels = record.image.shape
    return facts | {"size": file.write(record.image.data), "height": height, "width": width, "channels": channels}


def _check_disk(job: SpoolJob, opened: OpenSource, path: Path, records: str) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < job.limits.min_free_bytes:
        raise UserCodeError(
            f"{opened.name}: after {records} records only {free >> 20} MiB are free in {path.parent}, of which "
            f"{job.limits.min_free_bytes >> 20} must stay. Free some, or end the source, if it is endless."
        )


def _endless(opened: OpenSource, number: int, where: str, limit: str) -> UserCodeError:
    return UserCodeError(
        f"{opened.name}: it gave {number} records{where} and has not ended; {limit}. A source must come to an end: one "
        "that repeats its images belongs to training, which augments them (train.augment)."
    )
