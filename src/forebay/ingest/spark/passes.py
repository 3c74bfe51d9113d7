"""The passes over all images in Spark: decode and stage them, group equal ones, write what is kept."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ingest.decode_outcome import OUTCOME_DDL, DecodeOutcome, count_outcomes, outcome_batch
from forebay.ingest.deduplication import DeduplicationResult
from forebay.ingest.spark.decode_task import DecodeJob, decode_part, sample_outcomes
from forebay.ingest.spark.staged import METADATA_DDL, STAGED, read_staged_metadata
from forebay.ingest.spark.task_storage import LocalStorage, TaskStorage
from forebay.ingest.spark.tasks import TASKS_PER_CORE, map_parts, run_parts
from forebay.ingest.spark.write_task import REPEATED, WriteJob, write_part
from forebay.ingest.summary.class_order import order_classes
from forebay.ingest.target_format import UNKNOWN_FORMAT, choose_target_format
from forebay.settings import IngestConfig

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SAMPLE_ROWS = 64

Progress = Callable[[int, int, str], None]  # done, total, unit


def make_decode_job(kind: str, index: pa.Table, config: IngestConfig, work: TaskStorage) -> DecodeJob:
    """Make the job of the first pass, with the target format that a sample of the images suggests."""
    job = DecodeJob(
        work=work,
        kind=kind,
        target=UNKNOWN_FORMAT,
        fit=config.fit,
        resize=config.on_size == "resize",
        max_pixels=config.max_pixels,
        max_file_bytes=config.max_file_bytes,
    )
    sample = index.take(np.unique(np.linspace(0, len(index) - 1, SAMPLE_ROWS).astype(np.int64)))
    return replace(job, target=choose_target_format(sample_outcomes(job, sample), config))


def decode_images(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, config: IngestConfig, progress: Progress
) -> tuple[DecodeJob, Counter[DecodeOutcome]]:
    """Stage every image in its final shape, and return the job with the final format.

    The commonest size and the depth of 16-bit images are known only when all are decoded. A sample guesses them,
    which is nearly always right and saves a pass; where it was wrong, the images are staged once more.
    """
    outcomes = _stage(session, job, index, parts, progress)
    target = choose_target_format(outcomes, config)
    if target != job.target and any(outcome.source_shape for outcome in outcomes):
        job = replace(job, target=target)
        outcomes = _stage(session, job, index, parts, progress)
    return job, outcomes


def group_equal_images(session: "SparkSession", work: TaskStorage, parts: int) -> pa.Table:
    """Group equal images: Spark shuffles digests and numbers, never pixels."""
    from pyspark.sql import functions as sql

    return (
        _staged_metadata(session, work, parts)
        .where("reason is null")
        .groupBy("sha256")
        .agg(
            sql.min("position").alias("first"),
            sql.count("position").alias("rows"),
            sql.min("label_number").alias("low"),
            sql.max("label_number").alias("high"),
        )
        .toArrow()
    )


def write_rows(
    session: "SparkSession", staged: DecodeJob, parts: int, result: DeduplicationResult, out: TaskStorage
) -> dict[str, str]:
    """Write the rows and the quarantine table.

    Returns:
        The sha256 of each file by its name; empty where `out` is a folder of this machine.
    """
    with staged.work.write_file(REPEATED) as path:
        pq.write_table(result.repeated, path)
    job = WriteJob(
        work=staged.work,
        out=out,
        classes=order_classes(result.class_rows),
        shape=staged.target.shape,
        digests=not isinstance(out, LocalStorage),
    )

    def work(part: int) -> pa.RecordBatch:
        digests = write_part(job, part)
        return pa.record_batch(
            {"name": pa.array(digests, pa.string()), "sha256": pa.array(digests.values(), pa.string())}
        )

    written = run_parts(session, parts, work, "name string, sha256 string")
    return dict(zip(written["name"].to_pylist(), written["sha256"].to_pylist(), strict=True))


def _stage(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, progress: Progress
) -> Counter[DecodeOutcome]:
    def work(part: int) -> pa.RecordBatch:
        return outcome_batch(decode_part(job, part))

    def report(finished: int) -> None:
        progress(len(index) * finished // parts, len(index), "images")

    return count_outcomes(run_parts(session, parts, work, OUTCOME_DDL, report).to_pylist())


def _staged_metadata(session: "SparkSession", work: TaskStorage, parts: int) -> "DataFrame":
    """The metadata of each staged image. Tasks read it from S3, because Spark would need more libraries for that."""
    if isinstance(work, LocalStorage):
        return session.read.schema(METADATA_DDL).parquet(_escape_pattern(work.folder / STAGED))
    return map_parts(session, parts, lambda part: read_staged_metadata(work, part), METADATA_DDL, TASKS_PER_CORE)


def _escape_pattern(path: Path) -> str:
    """A path in which Spark sees no pattern: Hadoop would take its brackets and stars for one."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", str(path))
