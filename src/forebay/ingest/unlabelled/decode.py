"""Spark decodes the parts of an index, a few ahead of whoever reads them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.decoded_images import ImageFormat
from forebay.ingest.index.parts import PartLimits, part_starts
from forebay.ingest.sources import get_source_kind
from forebay.ingest.spark.failures import explain_spark_errors
from forebay.ingest.spark.tasks import run_parts
from forebay.ingest.unlabelled.decode_task import DecodeImagesJob, decode_part
from forebay.ingest.unlabelled.index import SourceIndex, index_source, runs_read_alike
from forebay.settings import IngestConfig

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PART_ROWS = 256  # small enough that a few thousand images keep every core busy
PART_PIXEL_BYTES = 64 << 20  # of a decoded part; images of 224 x 224 x 3 fit 445 times
PARTS_PER_CORE = 4  # in one wave; two waves at most lie on the disk
RESULT_DDL = "part int, sha256 string"


def part_limits(wanted: ImageFormat) -> PartLimits:
    """How much one task decodes: fixed numbers, so that the parts are the same on any number of cores."""
    return PartLimits(max_rows=max(1, min(PART_ROWS, PART_PIXEL_BYTES // wanted.image_bytes)))


def index_sources(sources: Sequence[str], config: IngestConfig, work: Path) -> SourceIndex:
    """Index several sources, in the order in which they are given.

    Args:
        sources: paths and URIs.
        config: how they are read; its own `data` does not count.
        work: folder for what is unpacked.

    Raises:
        ConfigError, DataError: as `index_source`.
    """
    found = []
    for number, source in enumerate(sources):
        folder = work / f"source-{number:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        found.append(index_source(replace(config, data=source), folder))
    notes = list(dict.fromkeys(note for each in found for note in each.notes))
    return SourceIndex(pa.concat_tables([each.table for each in found]), notes)


def write_parts(index: pa.Table, path: Path, limits: PartLimits) -> list[int]:
    """Write an index with one row group per part; returns the number of images of each."""
    rows = []
    with pq.ParquetWriter(path, index.schema) as writer:
        for group in runs_read_alike(index):
            starts = part_starts(group, limits)
            for start, stop in zip(starts, [*starts[1:], len(group)], strict=True):
                writer.write_table(group.slice(start, stop - start), row_group_size=stop - start)
                rows.append(stop - start)
    return rows


def decode_ahead(session: "SparkSession", job: DecodeImagesJob, parts: Sequence[int], source: str) -> Iterator[int]:
    """Yield the parts as they are decoded, in their order; Spark decodes the next wave meanwhile.

    The waves bound what lies on the disk: whoever reads a part may remove it.

    Args:
        session: the Spark session.
        job: what to do.
        parts: their numbers.
        source: what is read, for messages.

    Raises:
        DataError: a task failed; says what it said.
    """
    most = PARTS_PER_CORE * session.sparkContext.defaultParallelism
    waves = [parts[start : start + most] for start in range(0, len(parts), most)]
    with ThreadPoolExecutor(1, "forebay-decode") as pool:
        try:
            ahead = [pool.submit(decode_parts, session, job, wave) for wave in waves[:1]]
            for number, wave in enumerate(waves):
                with explain_spark_errors(source):
                    ahead.pop().result()
                ahead = [pool.submit(decode_parts, session, job, each) for each in waves[number + 1 : number + 2]]
                yield from wave
        except BaseException:  # a generator that is closed, too: the wave ahead is nobody's any more
            with suppress(Exception):  # a Java that ended has no jobs, and the cause is raised
                session.sparkContext.cancelAllJobs()
            raise


def decode_parts(
    session: "SparkSession",
    job: DecodeImagesJob,
    parts: Sequence[int],
    report: Callable[[int], None] | None = None,
) -> dict[int, str]:
    """Decode some parts at once.

    Args:
        session: the Spark session.
        job: what to do.
        parts: their numbers.
        report: called now and then with how many of them are done.

    Returns:
        The sha256 of each part's file by its number; empty texts where the files need no download.
    """
    chosen = list(parts)
    found = run_parts(session, len(chosen), lambda each: decode_part(job, chosen[each]), RESULT_DDL, report)
    return dict(zip(found["part"].to_pylist(), found["sha256"].to_pylist(), strict=True))


def warm_up(session: "SparkSession") -> None:
    """Let Spark start its workers, which import what decodes: seconds that the first images would wait."""
    cores = session.sparkContext.defaultParallelism
    run_parts(session, cores, _import_decoder, RESULT_DDL)


def _import_decoder(part: int) -> pa.RecordBatch:
    get_source_kind("folder")  # its module has imported all that a task needs
    return pa.record_batch({"part": pa.array([part], pa.int32()), "sha256": pa.array([""], pa.string())})
