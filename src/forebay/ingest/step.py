"""The ingest step: read the source, here or with an executor, and refuse data that is not worth training on."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.contracts.manifest import MANIFEST, DataManifest
from forebay.contracts.rows import QUARANTINE, ROWS
from forebay.errors import DataError
from forebay.ingest.fingerprint import source_fingerprint
from forebay.ingest.index.parts import PartLimits
from forebay.ingest.quarantine.check import check_class_count, check_quarantine
from forebay.ingest.quarantine.report import add_quarantine_warning
from forebay.ingest.quarantine.table import copy_to_run, quarantine_location
from forebay.ingest.read_source import read_source
from forebay.ingest.result import IngestExecutor
from forebay.ingest.spark.staged import STAGED
from forebay.ingest.spark.task_storage import LocalStorage
from forebay.settings import IngestConfig
from forebay.settings.cluster_only import check_local_settings
from forebay.state import StepLog, seal
from forebay.state.sealed import MARKER


def ingest(
    out: Path,
    config: IngestConfig,
    log: StepLog,
    executor: IngestExecutor | None = None,
    limits: PartLimits = PartLimits(),  # noqa: B008 - it is frozen
) -> DataManifest:
    """Read a source into the row table, the quarantine table and the manifest; see `forebay.ingest`."""
    if executor is None:
        check_local_settings({"ingest.executors": config.executors})
    fingerprint = source_fingerprint(config.data, config.labels, config.source_code)
    with _work_folder(out) as work:
        if config.executors and executor is not None:
            result = executor.read(out, config, log)
        else:
            result = read_source(config, LocalStorage(work), LocalStorage(out.absolute()), work, log.progress, limits)
    _check_unchanged(config, fingerprint)
    location = quarantine_location(out, log)
    manifest = add_quarantine_warning(result.manifest, out, result.images, location)
    log.result(data=_log_facts(manifest))  # before any check, so that a failed run says what was read as well
    copy_to_run(out, log)
    for warning in manifest.warnings:
        log.warn(warning)
    check_quarantine(manifest, config, result.images, result.set_aside, out, location)
    check_class_count(manifest, config)
    manifest.write(out)
    seal(out)
    return manifest


def _log_facts(manifest: DataManifest) -> dict[str, object]:
    return {
        "rows": manifest.rows,
        "classes": len(manifest.classes),
        "digest": manifest.digest,
        "quarantined": manifest.quarantined,
    }


def _check_unchanged(config: IngestConfig, fingerprint: str) -> None:
    """Refuse a source that changed meanwhile: new rows would be cached under the fingerprint of the old source."""
    if source_fingerprint(config.data, config.labels, config.source_code) != fingerprint:
        problem = "it was changed while it was read"
        raise DataError(source=config.data, problem=problem, fix="Run again once nobody writes there.")


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """An empty folder inside `out`, on the same disk; what an earlier, broken try left in `out` is removed first."""
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
