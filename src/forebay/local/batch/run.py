"""A batch on this machine: Spark decodes parts ahead, and this process predicts them as they come."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.decoded_images import DECODED, decoded_name
from forebay.errors import DataError
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.index.parts import INDEX
from forebay.ingest.spark.session import spark_session
from forebay.ingest.spark.task_storage import LocalStorage
from forebay.ingest.unlabelled.decode import decode_ahead, index_sources, part_limits, warm_up, write_parts
from forebay.ingest.unlabelled.decode_task import DecodeImagesJob
from forebay.local.batch.progress_record import digest_of, settle
from forebay.local.batch.request import BatchRequest, BatchResult
from forebay.serving.batch.bundle_format import bundle_format, bundle_identity
from forebay.serving.batch.model import BatchModel
from forebay.serving.batch.parts import PREDICTED, PartPredictor, check_any, total, write_result
from forebay.serving.batch.result_files import LOCK, ResultFiles
from forebay.state import FileLock, StepLog
from forebay.version import code_version


@dataclass
class _Times:
    """When what was ready."""

    began: float
    ready: float


def predict_sources(request: BatchRequest, log: StepLog) -> BatchResult:
    """Predict every image of some sources, and write the answers.

    A killed batch goes on from the parts that are done, and its result is the same, row by row.

    Args:
        request: what to predict, with what.
        log: the step's log.

    Raises:
        ConfigError: a source is not there, or a name of the result cannot be used.
        DataError: there is no image, none can be used, or a source was changed meanwhile.
        ModelError: the bundle cannot be loaded.
        MachineError: Spark's Java cannot be started.
        LockHeldError: another batch writes the same result.
    """
    files = ResultFiles(request.out.absolute())
    files.check(request.sources)
    work = files.work
    with FileLock(work / LOCK).held("forebay predict"):
        fingerprint = _fingerprint(request)
        settle(work, _facts(request, fingerprint), log.warn)
        try:
            with tempfile.TemporaryDirectory(dir=work, prefix=".scratch-") as scratch:
                result = _predict(request, files, Path(scratch), log)
        except BaseException:
            if not any((work / PREDICTED).glob("*.parquet")):  # nothing to go on from
                shutil.rmtree(work, ignore_errors=True)
            raise
        if _fingerprint(request) != fingerprint:
            raise DataError(
                source=_named(request),
                problem="it was changed while it was read",
                fix="Give the same command again once nobody writes there.",
            )
        shutil.rmtree(work)
    return result


def _fingerprint(request: BatchRequest) -> str:
    return digest_of([source_fingerprint(source) for source in request.sources])


def _facts(request: BatchRequest, fingerprint: str) -> dict[str, str]:
    shown = (request.top, request.probabilities)
    reading = (request.config.image_column, request.config.max_file_bytes)
    return {
        "the list of sources": digest_of(request.sources),
        "the content of the sources": fingerprint,
        "the model": digest_of([request.name, request.version, bundle_identity(request.desired)]),
        "the settings": repr((*shown, *reading)),
        "the code": code_version(),
    }


def _named(request: BatchRequest) -> str:
    more = len(request.sources) - 1
    return f"{request.sources[0]} and {more} more" if more else request.sources[0]


def _predict(request: BatchRequest, files: ResultFiles, scratch: Path, log: StepLog) -> BatchResult:
    times = _Times(time.monotonic(), 0.0)
    index = index_sources(request.sources, request.config, scratch)
    for note in index.notes:
        log.warn(note)
    wanted = bundle_format(Path(request.desired.bundle))
    sizes = write_parts(index.table, files.work / INDEX, part_limits(wanted))
    with _ready(request, scratch, files.work, times) as (predictor, session):
        done = {part: result for part in range(len(sizes)) if (result := predictor.done(part)) is not None}
        resumed = total(done.values()).images
        if resumed:
            log.emit("waiting", text=f"Goes on: {resumed:,} of {sum(sizes):,} images were done before.")
        storage = LocalStorage(files.work)
        (files.work / DECODED).mkdir(exist_ok=True)
        job = DecodeImagesJob(work=storage, out=storage, format=wanted, max_file_bytes=request.config.max_file_bytes)
        missing = [part for part in range(len(sizes)) if part not in done]
        images = resumed
        for part in decode_ahead(session, job, missing, _named(request)):
            decoded = files.work / decoded_name(part)
            done[part] = predictor.predict(decoded, part)
            decoded.unlink()
            images += sizes[part]
            log.progress(images, sum(sizes), "images")
        found = total(done.values())
        check_any(found, _named(request), predictor, range(len(sizes)))
        write_result(predictor, files, range(len(sizes)))
    return BatchResult(
        images=found.images,
        rows=found.rows,
        quarantined=dict(sorted(found.quarantined.items())),
        resumed=resumed,
        start_seconds=round(times.ready - times.began, 3),
        seconds=round(time.monotonic() - times.ready, 3),
    )


@contextmanager
def _ready(request: BatchRequest, scratch: Path, work: Path, times: _Times) -> Iterator[tuple[PartPredictor, Any]]:
    """The model, loaded while Java starts, and the Spark session."""
    with ThreadPoolExecutor(1, "forebay-model") as pool:
        loading = pool.submit(BatchModel.load, request.name, request.version, request.desired)
        with spark_session(scratch) as session:
            warm_up(session)
            predictor = PartPredictor(
                model=loading.result(), work=work, top=request.top, probabilities=request.probabilities
            )
            times.ready = time.monotonic()
            yield predictor, session
