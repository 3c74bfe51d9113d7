"""Reads a source through Spark, from its index to the rows that are kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from forebay.ingest.deduplication import deduplicate
from forebay.ingest.detect import detect_source
from forebay.ingest.index.image_index import check_class_names
from forebay.ingest.index.parts import INDEX, PartLimits, write_index
from forebay.ingest.result import IngestResult
from forebay.ingest.sources import own as own_source
from forebay.ingest.spark.failures import explain_spark_errors
from forebay.ingest.spark.passes import Progress, decode_images, group_equal_images, make_decode_job, write_rows
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.spool_pass import spool_records
from forebay.ingest.spark.task_storage import TaskStorage
from forebay.ingest.summary.make_manifest import make_manifest
from forebay.settings import IngestConfig


def read_source(
    config: IngestConfig,
    work: TaskStorage,
    out: TaskStorage,
    scratch: Path,
    progress: Progress,
    limits: PartLimits = PartLimits(),  # noqa: B008 - it is frozen
) -> IngestResult:
    """Index the source, and let Spark decode it, deduplicate its images and write what is kept.

    Args:
        config: what to read.
        work: where tasks leave files for later tasks.
        out: where the rows and the quarantine table go.
        scratch: folder of this process's machine, for Spark and for what is unpacked.
        progress: called with how much is decoded.
        limits: how much one task does.

    Raises:
        ConfigError, DataError, MachineError: as `forebay.ingest`.
    """
    with ThreadPoolExecutor(1) as pool:
        detected = detect_source(config, scratch)
        own = detected.source_kind is own_source.KIND
        indexing = None if own else pool.submit(detected.index)  # while Java starts
        with spark_session(scratch) as session, explain_spark_errors(config.data):
            if own:
                spool_records(session, config, work, scratch, progress)
            index = work.share_index(indexing.result() if indexing else detected.index())
            check_class_names(index, config.data)
            with work.write_file(INDEX) as path:
                parts = write_index(index, path, limits)
            job = make_decode_job(detected.source_kind.kind, index, config, work)
            job, outcomes = decode_images(session, job, index, parts, config, progress)
            result = deduplicate(group_equal_images(session, work, parts), index)
            digests = write_rows(session, job, parts, result, out)
    manifest = make_manifest(detected, config, job.target, outcomes, result, index)
    set_aside = sum(note.set_aside for note in detected.notes)
    return IngestResult(manifest=manifest, images=len(index), digests=digests, set_aside=set_aside)
