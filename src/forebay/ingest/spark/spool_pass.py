"""Spools all records of a source that somebody wrote, part by part in Spark's workers."""

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from forebay.errors import UserCodeError
from forebay.ingest.own.open_source import open_source
from forebay.ingest.own.spooled import SPOOLED, SPOOLED_DDL, named_source
from forebay.ingest.spark.passes import Progress
from forebay.ingest.spark.spool_task import SpoolJob, SpoolLimits, spool_part
from forebay.ingest.spark.task_storage import TaskStorage
from forebay.ingest.spark.tasks import run_parts
from forebay.settings import IngestConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def spool_records(
    session: "SparkSession",
    config: IngestConfig,
    work: TaskStorage,
    scratch: Path,
    progress: Progress,
    limits: SpoolLimits = SpoolLimits(),  # noqa: B008 - it is frozen
) -> None:
    """Spool all records of the source, and leave what `spooled_records` reads in `scratch`.

    Args:
        session: the Spark session.
        config: names the source.
        work: receives the images.
        scratch: folder of this process's machine.
        progress: called with how many partitions are read, where the source has any.
        limits: when a source counts as endless.

    Raises:
        ConfigError: no package brings the source, or its text is missing.
        UserCodeError: it cannot be loaded, raised an exception, gave something that is no record, gave nothing, or
            does not end.
    """
    own = named_source(config)
    partitions = open_source(own, config.source_code).partitions()
    job = SpoolJob(
        own=own, code=config.source_code, partitions=partitions, work=work, max_pixels=config.max_pixels,
        max_file_bytes=config.max_file_bytes, limits=limits,
    )  # fmt: skip
    parts = len(partitions or [0])

    def report(finished: int) -> None:
        progress(finished, parts, "partitions")

    table = run_parts(session, parts, lambda part: spool_part(job, part), SPOOLED_DDL, report if partitions else None)
    errors = table["error"].drop_null()
    if len(errors):
        raise UserCodeError(errors[0].as_py())
    if len(table) == 0:
        raise UserCodeError(
            f"{own.name}: it gave no record. It was called with {own.options or 'no options'}; see that these name "
            "what is there, and that it yields."
        )
    pq.write_table(table.drop_columns("error"), scratch / SPOOLED)
