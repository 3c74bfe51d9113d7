"""Ingest: images of any supported source become one documented Parquet table, through Spark.

Light on purpose: `forebay.ingest.fingerprint` is imported by every run, Spark only by the step itself.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from forebay.ingest.records import FingerprintedSource, PartitionedSource, Record, Source

if TYPE_CHECKING:
    from forebay.contracts.manifest import DataManifest
    from forebay.ingest.result import IngestExecutor
    from forebay.settings import IngestConfig
    from forebay.state import StepLog

__all__ = ["FingerprintedSource", "PartitionedSource", "Record", "Source", "ingest"]


def ingest(
    out: Path, config: "IngestConfig", log: "StepLog", executor: "IngestExecutor | None" = None
) -> "DataManifest":
    """Read a source into the artifact folder `out`.

    Writes `rows/*.parquet` (`contracts.rows.ROW_SCHEMA`), `quarantine/*.parquet` (`QUARANTINE_SCHEMA`),
    `manifest.json` and the completion marker. The same data gives the same digest, and the same files, on any number
    of cores.

    Args:
        out: folder of the artifact.
        config: what to read, and how.
        log: the step's log.
        executor: reads where `ingest.executors` is above 0; None where only this process can.

    Raises:
        ConfigError: there is nothing at the path, or S3 refuses.
        DataError: the source cannot be read, too much of it is quarantined (the quarantine table is written first),
            or fewer than two classes are left.
        UserCodeError: the code of a source that somebody wrote failed.
        MachineError: Spark's Java cannot be started.
    """
    from forebay.ingest.step import ingest as run

    return run(out, config, log, executor)
