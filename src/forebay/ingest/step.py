"""The ingest step: index the source, decode and stage in Spark, judge equal pictures, write what is kept."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.manifest import MANIFEST, DataManifest
from forebay.contracts.rows import QUARANTINE, ROWS
from forebay.errors import DataError
from forebay.ingest.decode import DecodeJob, decode_part, sample_shapes
from forebay.ingest.detect import Found, find
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.index import write_index
from forebay.ingest.shapes import (
    OUTCOME_TYPES,
    Outcome,
    Shape,
    count_outcomes,
    found_shapes,
    outcome_batch,
    resolve_shape,
)
from forebay.ingest.spark import in_words, run_parts, spark_session
from forebay.ingest.summary import check, make_manifest
from forebay.ingest.verdict import Verdict, class_order, count_values, judge
from forebay.ingest.write import WriteJob, write_part
from forebay.settings import IngestConfig
from forebay.state import StepLog, seal
from forebay.state.files import MARKER

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SAMPLE_ROWS = 64


def ingest(out: Path, config: IngestConfig, log: StepLog) -> DataManifest:
    """Read a source into the row table, the quarantine table and the manifest; see `forebay.ingest`."""
    before = source_fingerprint(config.data)
    with _work_folder(out) as work, ThreadPoolExecutor(1) as pool:
        found = find(config.data, work)
        indexing = pool.submit(found.index)  # while Java starts
        with spark_session(work) as session, in_words(config.data):
            index = indexing.result()
            parts = write_index(index, work / "index.parquet")
            job, outcomes = _decode(session, _first_job(found, index, config, work), index, parts, config, log)
            verdict = judge(_groups(session, job.staged), index)
            class_rows = count_values(verdict.kept["label_name"])
            _write(session, job, parts, verdict, class_order(class_rows), out)
    _check_unchanged(config.data, before)
    manifest = make_manifest(found, config, job.shape, outcomes, verdict, index)
    log.result(data=_facts(manifest))  # before anything is refused: a failed run then says what was read as well
    for warning in manifest.warnings:
        log.warn(warning)
    check(manifest, config, len(index), out)
    manifest.write(out)
    seal(out)
    return manifest


def _facts(manifest: DataManifest) -> dict[str, object]:
    return {
        "rows": manifest.rows,
        "classes": len(manifest.classes),
        "digest": manifest.digest,
        "quarantined": manifest.quarantined,
    }


def _check_unchanged(data: str, before: str) -> None:
    """Refuse rows of which some are older than others: they would be cached as what the source was before."""
    if source_fingerprint(data) != before:
        problem = "it was changed while it was read"
        raise DataError(source=data, problem=problem, fix="Run again once nobody writes there.")


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside the result, on the same disk; what an earlier, broken try left is removed first."""
    out.mkdir(parents=True, exist_ok=True)
    for name in (MARKER, MANIFEST):
        (out / name).unlink(missing_ok=True)
    for stale in (out / ROWS, out / QUARANTINE, *out.glob(".work-*")):
        shutil.rmtree(stale, ignore_errors=True)
    (out / ROWS).mkdir()
    (out / QUARANTINE).mkdir()
    with tempfile.TemporaryDirectory(dir=out.absolute(), prefix=".work-") as work:
        yield Path(work)


def _first_job(found: Found, index: pa.Table, config: IngestConfig, work: Path) -> DecodeJob:
    job = DecodeJob(
        index=work / "index.parquet",
        staged=work / "staged",
        kind=found.source.kind,
        shape=Shape(1, 1, 1),
        resize=config.on_size == "resize",
        max_pixels=config.max_pixels,
        max_file_bytes=config.max_file_bytes,
    )
    sample = index.take(np.unique(np.linspace(0, len(index) - 1, SAMPLE_ROWS).astype(np.int64)))
    return replace(job, shape=resolve_shape(sample_shapes(job, sample), config))


def _decode(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, config: IngestConfig, log: StepLog
) -> tuple[DecodeJob, Counter[Outcome]]:
    """Stage every picture in its final shape.

    The commonest size is known only when all are decoded. A sample guesses it, which is nearly always right and saves
    a pass; where it was wrong, the pictures are staged once more.
    """
    outcomes = _stage(session, job, index, parts, log)
    shape = resolve_shape(found_shapes(outcomes), config)
    if shape != job.shape and found_shapes(outcomes):
        job = replace(job, shape=shape)
        outcomes = _stage(session, job, index, parts, log)
    return job, outcomes


def _stage(session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, log: StepLog) -> Counter[Outcome]:
    job.staged.mkdir(exist_ok=True)

    def work(part: int) -> pa.RecordBatch:
        return outcome_batch(decode_part(job, part))

    def progress(finished: int) -> None:
        log.progress(len(index) * finished // parts, len(index), "pictures")

    return count_outcomes(run_parts(session, parts, work, OUTCOME_TYPES, progress).to_pylist())


def _groups(session: "SparkSession", staged: Path) -> pa.Table:
    """Equal pictures, grouped in Spark: a shuffle of digests and numbers, never of pixels."""
    from pyspark.sql import functions as sql

    columns = "position long, label_number int, reason string, sha256 string"
    usable = session.read.schema(columns).parquet(_literal(staged)).where("reason is null")
    return (
        usable.groupBy("sha256")
        .agg(
            sql.min("position").alias("first"),
            sql.count("position").alias("rows"),
            sql.min("label_number").alias("low"),
            sql.max("label_number").alias("high"),
        )
        .toArrow()
    )


def _literal(path: Path) -> str:
    """A path in which Spark sees no pattern: Hadoop would look for other folders by its brackets and stars."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", str(path))


def _write(
    session: "SparkSession", staged: DecodeJob, parts: int, verdict: Verdict, classes: list[str], out: Path
) -> None:
    repeated = staged.index.with_name("repeated.parquet")
    pq.write_table(verdict.repeated, repeated)
    job = WriteJob(staged=staged.staged, repeated=repeated, out=out.absolute(), classes=classes, shape=staged.shape)

    def work(part: int) -> pa.RecordBatch:
        write_part(job, part)
        return pa.record_batch({"part": pa.array([part], pa.int64())})

    run_parts(session, parts, work, "part long")
