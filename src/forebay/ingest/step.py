"""The ingest step: index the source, decode and stage in Spark, judge equal images, write what is kept."""

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
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
from forebay.ingest.deduplication import DeduplicationResult, count_values, judge, order_classes
from forebay.ingest.detect import DetectedSource, detect_source
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.image_index import INDEX, check_class_names, write_index
from forebay.ingest.quarantine import add_quarantine_warning, check, copy_to_run, quarantine_location
from forebay.ingest.result import IngestExecutor, IngestResult
from forebay.ingest.spark.decode_task import (
    METADATA_DDL,
    STAGED,
    DecodeJob,
    decode_part,
    read_staged_metadata,
    sample_outcomes,
)
from forebay.ingest.spark.session import TASKS_PER_CORE, explain_spark_errors, map_parts, run_parts, spark_session
from forebay.ingest.spark.task_storage import LocalStorage, TaskStorage
from forebay.ingest.spark.write_task import REPEATED, WriteJob, write_part
from forebay.ingest.summary import make_manifest
from forebay.ingest.target_format import (
    OUTCOME_DDL,
    UNKNOWN_FORMAT,
    DecodeOutcome,
    choose_target_format,
    count_outcomes,
    outcome_batch,
)
from forebay.settings import IngestConfig
from forebay.settings.cluster_only import check_local_settings
from forebay.state import StepLog, seal
from forebay.state.sealed import MARKER

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SAMPLE_ROWS = 64

Progress = Callable[[int, int, str], None]  # done, total, unit


def ingest(out: Path, config: IngestConfig, log: StepLog, executor: IngestExecutor | None = None) -> DataManifest:
    """Read a source into the row table, the quarantine table and the manifest; see `forebay.ingest`."""
    if executor is None:
        check_local_settings({"ingest.executors": config.executors})
    before = source_fingerprint(config.data, config.labels)
    with _work_folder(out) as work:
        if config.executors and executor is not None:
            reading = executor.read(out, config, log)
        else:
            reading = read_source(config, LocalStorage(work), LocalStorage(out.absolute()), work, log.progress)
    _check_unchanged(config, before)
    where = quarantine_location(out, log)
    manifest = add_quarantine_warning(reading.manifest, out, reading.images, where)
    log.result(data=_facts(manifest))  # before anything is refused: a failed run then says what was read as well
    copy_to_run(out, log)
    for warning in manifest.warnings:
        log.warn(warning)
    check(manifest, config, reading.images, reading.set_aside, out, where)
    manifest.write(out)
    seal(out)
    return manifest


def read_source(
    config: IngestConfig, work: TaskStorage, out: TaskStorage, scratch: Path, progress: Progress
) -> IngestResult:
    """Index the source, and let Spark decode it, judge equal images and write what is kept.

    Args:
        config: what to read.
        work: for what tasks pass on to later ones.
        out: for the rows and the quarantine table.
        scratch: folder of this process's machine, for Spark and for what is unpacked.
        progress: called with how much is decoded.

    Raises:
        ConfigError, DataError, MachineError: as `forebay.ingest`.
    """
    with ThreadPoolExecutor(1) as pool:
        found = detect_source(config, scratch)
        indexing = pool.submit(found.index)  # while Java starts
        with spark_session(scratch) as session, explain_spark_errors(config.data):
            index = work.share_index(indexing.result())
            check_class_names(index, config.data)
            with work.write_file(INDEX) as path:
                parts = write_index(index, path)
            job, outcomes = _decode(session, _first_job(found, index, config, work), index, parts, config, progress)
            verdict = judge(_groups(session, work, parts), index)
            classes = order_classes(count_values(verdict.kept["label_name"]))
            digests = _write(session, job, parts, verdict, classes, out)
    manifest = make_manifest(found, config, job.target, outcomes, verdict, index)
    set_aside = sum(note.set_aside for note in found.notes)
    return IngestResult(manifest=manifest, images=len(index), digests=digests, set_aside=set_aside)


def _facts(manifest: DataManifest) -> dict[str, object]:
    return {
        "rows": manifest.rows,
        "classes": len(manifest.classes),
        "digest": manifest.digest,
        "quarantined": manifest.quarantined,
    }


def _check_unchanged(config: IngestConfig, before: str) -> None:
    """Refuse rows of which some are older than others: they would be cached as what the source was before."""
    if source_fingerprint(config.data, config.labels) != before:
        problem = "it was changed while it was read"
        raise DataError(source=config.data, problem=problem, fix="Run again once nobody writes there.")


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
        (Path(work) / STAGED).mkdir()
        yield Path(work)


def _first_job(found: DetectedSource, index: pa.Table, config: IngestConfig, work: TaskStorage) -> DecodeJob:
    job = DecodeJob(
        work=work,
        kind=found.source_kind.kind,
        target=UNKNOWN_FORMAT,
        fit=config.fit,
        resize=config.on_size == "resize",
        max_pixels=config.max_pixels,
        max_file_bytes=config.max_file_bytes,
    )
    sample = index.take(np.unique(np.linspace(0, len(index) - 1, SAMPLE_ROWS).astype(np.int64)))
    return replace(job, target=choose_target_format(sample_outcomes(job, sample), config))


def _decode(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, config: IngestConfig, progress: Progress
) -> tuple[DecodeJob, Counter[DecodeOutcome]]:
    """Stage every image in its final shape.

    The commonest size and the depth of 16-bit images are known only when all are decoded. A sample guesses them,
    which is nearly always right and saves a pass; where it was wrong, the images are staged once more.
    """
    outcomes = _stage(session, job, index, parts, progress)
    target = choose_target_format(outcomes, config)
    if target != job.target and any(outcome.found for outcome in outcomes):
        job = replace(job, target=target)
        outcomes = _stage(session, job, index, parts, progress)
    return job, outcomes


def _stage(
    session: "SparkSession", job: DecodeJob, index: pa.Table, parts: int, progress: Progress
) -> Counter[DecodeOutcome]:
    def work(part: int) -> pa.RecordBatch:
        return outcome_batch(decode_part(job, part))

    def tell(finished: int) -> None:
        progress(len(index) * finished // parts, len(index), "images")

    return count_outcomes(run_parts(session, parts, work, OUTCOME_DDL, tell).to_pylist())


def _groups(session: "SparkSession", work: TaskStorage, parts: int) -> pa.Table:
    """Equal images, grouped in Spark: a shuffle of digests and numbers, never of pixels."""
    from pyspark.sql import functions as sql

    return (
        _staged(session, work, parts)
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


def _staged(session: "SparkSession", work: TaskStorage, parts: int) -> "DataFrame":
    """What is known of each staged image; Spark itself reads S3 only with libraries that it does not bring."""
    if isinstance(work, LocalStorage):
        return session.read.schema(METADATA_DDL).parquet(_literal(work.folder / STAGED))
    return map_parts(session, parts, lambda part: read_staged_metadata(work, part), METADATA_DDL, TASKS_PER_CORE)


def _literal(path: Path) -> str:
    """A path in which Spark sees no pattern: Hadoop would look for other folders by its brackets and stars."""
    return re.sub(r"([{}\[\]*?\\])", r"\\\1", str(path))


def _write(
    session: "SparkSession",
    staged: DecodeJob,
    parts: int,
    verdict: DeduplicationResult,
    classes: list[str],
    out: TaskStorage,
) -> dict[str, str]:
    with staged.work.write_file(REPEATED) as path:
        pq.write_table(verdict.repeated, path)
    digests = not isinstance(out, LocalStorage)
    job = WriteJob(work=staged.work, out=out, classes=classes, shape=staged.target.shape, digests=digests)

    def work(part: int) -> pa.RecordBatch:
        written = write_part(job, part)
        return pa.record_batch(
            {"name": pa.array(written, pa.string()), "sha256": pa.array(written.values(), pa.string())}
        )

    found = run_parts(session, parts, work, "name string, sha256 string")
    return dict(zip(found["name"].to_pylist(), found["sha256"].to_pylist(), strict=True))
