"""The decode step of the batch pipeline: all images of a source, brought to the size of a model, as Parquet files."""

import tempfile
from pathlib import Path

from forebay.contracts.decoded_images import DECODED, ImageFormat, decoded_name
from forebay.errors import DataError
from forebay.ingest.decode_result import DecodeResult
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.index.parts import INDEX
from forebay.ingest.result import IngestExecutor
from forebay.ingest.spark.failures import explain_spark_errors
from forebay.ingest.spark.passes import Progress
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.task_storage import LocalStorage, TaskStorage
from forebay.ingest.unlabelled.decode import decode_parts, index_sources, part_limits, write_parts
from forebay.ingest.unlabelled.decode_task import DecodeImagesJob
from forebay.settings import IngestConfig
from forebay.settings.cluster_only import check_local_settings
from forebay.state import StepLog, empty_folder, seal


def decode_source(
    out: Path, config: IngestConfig, image_format: str, log: StepLog, executor: IngestExecutor | None = None
) -> DecodeResult:
    """Decode the images of a source into the artifact folder `out`.

    Args:
        out: receives `decoded/*.parquet` (`decode_task.DECODED_SCHEMA`) and the completion marker.
        config: what to read: of its settings only data, image_column, max_file_bytes and the executors count.
        image_format: `ImageFormat` as text.
        log: the step's log.
        executor: reads where `ingest.executors` is above 0; None where only this process can.

    Raises:
        ConfigError: there is nothing at the path, S3 refuses, or the format is no such text.
        DataError: there is no image, or the source was changed meanwhile.
        MachineError: Spark's Java cannot be started.
    """
    wanted = ImageFormat.parse(image_format)
    if executor is None:
        check_local_settings({"ingest.executors": config.executors})
    fingerprint = source_fingerprint(config.data)
    empty_folder(out)
    (out / DECODED).mkdir()
    if config.executors and executor is not None:
        result = executor.decode(out, config, wanted, log)
    else:
        with tempfile.TemporaryDirectory(dir=out.absolute(), prefix=".work-") as work:
            local = LocalStorage(Path(work))
            result = decode_images(config, wanted, local, LocalStorage(out.absolute()), Path(work), log.progress)
    if source_fingerprint(config.data) != fingerprint:
        problem = "it was changed while it was read"
        raise DataError(source=config.data, problem=problem, fix="Run again once nobody writes there.")
    for note in result.notes:
        log.warn(note)
    seal(out)
    return result


def decode_images(
    config: IngestConfig,
    wanted: ImageFormat,
    work: TaskStorage,
    out: TaskStorage,
    scratch: Path,
    progress: Progress,
) -> DecodeResult:
    """Let Spark decode a source.

    Args:
        config: what to read.
        wanted: what the images are brought to.
        work: where tasks find the index.
        out: where the decoded parts go.
        scratch: folder of this process's machine, for Spark and for what is unpacked.
        progress: called with how much is decoded.

    Raises:
        ConfigError, DataError, MachineError: as `decode_source`.
    """
    found = index_sources([config.data], config, scratch)
    job = DecodeImagesJob(work=work, out=out, format=wanted, max_file_bytes=config.max_file_bytes)
    with spark_session(scratch) as session, explain_spark_errors(config.data):
        table = work.share_index(found.table)
        with work.write_file(INDEX) as path:
            sizes = write_parts(table, path, part_limits(wanted))

        def report(finished: int) -> None:
            progress(len(table) * finished // len(sizes), len(table), "images")

        digests = decode_parts(session, job, range(len(sizes)), report)
    named = {decoded_name(part): digest for part, digest in sorted(digests.items()) if digest}
    return DecodeResult(images=len(table), notes=found.notes, digests=named)
