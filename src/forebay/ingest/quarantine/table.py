"""The quarantine table of a step and the copy that its run keeps."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.rows import QUARANTINE, QUARANTINE_SCHEMA
from forebay.errors import DamagedFileError
from forebay.state import StepLog


def quarantine_rows(folder: Path, files: str = "*.parquet") -> Iterator[dict[str, Any]]:
    """The rows of a quarantine table, in order of their parts: source, label_name, reason and detail.

    Raises:
        DamagedFileError: a part cannot be read.
    """
    for path in sorted(folder.glob(files)):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise DamagedFileError(
                path,
                error,
                lost="which images ingest did not take, and why",
                mend="Read them again: `forebay run --fresh`, or the same `forebay ingest`.",
            ) from error


def copy_to_run(out: Path, log: StepLog) -> None:
    """Copy the table into the run's folder. `forebay quarantine` finds it there after the step's folder is removed."""
    if log.events is None or not any((out / QUARANTINE).glob("*.parquet")):
        return
    copy = log.events.parent / f"{QUARANTINE}.parquet"
    temporary = copy.with_suffix(f".{os.getpid()}.tmp")
    with pq.ParquetWriter(temporary, QUARANTINE_SCHEMA) as writer:
        for path in sorted((out / QUARANTINE).glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    writer.write_batch(batch)
    temporary.replace(copy)


def quarantine_location(out: Path, log: StepLog) -> str:
    """Where a person sees the whole table: through a command where a command reads the events, else in a folder."""
    if log.events is None:
        return f"{out / QUARANTINE} (Parquet) holds them all"
    in_run = log.events.parent.parent == log.home.runs
    return f"`forebay quarantine {log.run_id if in_run else out}` lists them all"
