"""The last pass, in a Spark task: from a staged part to the rows that are kept and the quarantine table."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.contracts.rows import QUARANTINE, QUARANTINE_SCHEMA, ROW_SCHEMA, ROWS
from forebay.ingest.decode import Shape, part_name

ID_DIGITS = 16  # hex digits of the sha256


@dataclass(frozen=True, kw_only=True)
class WriteJob:
    """What a task needs to know."""

    staged: Path  # folder
    repeated: Path  # Parquet: `Verdict.repeated`
    out: Path  # folder
    classes: list[str]
    shape: Shape


def write_part(job: WriteJob, part: int) -> None:
    """Write the rows and the quarantine table of one part; an empty one gets no file."""
    repeated = {row["sha256"]: row for row in pq.read_table(job.repeated).to_pylist()}
    with ExitStack() as stack:
        rows = stack.enter_context(_Lazy(job.out / ROWS / part_name(part), ROW_SCHEMA))
        quarantine = stack.enter_context(_Lazy(job.out / QUARANTINE / part_name(part), QUARANTINE_SCHEMA))
        for batch in _staged_batches(job.staged / part_name(part)):
            judged = [_judged(row, repeated) for row in batch]
            rows.write([_row(row, job) for row in judged if row["reason"] is None])
            quarantine.write([_quarantined(row) for row in judged if row["reason"] is not None])


def _staged_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group).to_pylist()


def _judged(row: dict[str, Any], repeated: dict[bytes, dict[str, Any]]) -> dict[str, Any]:
    same = repeated.get(row["sha256"])
    if row["reason"] is not None or same is None:
        return row
    if same["conflicting"]:
        return {**row, "reason": "conflicting_labels", "detail": f"the same pixels as {same['source']}, another label"}
    if same["first"] != row["position"]:
        return {**row, "reason": "duplicate", "detail": f"the same pixels as {same['source']}"}
    return row


def _row(row: dict[str, Any], job: WriteJob) -> dict[str, Any]:
    sha256 = row["sha256"].hex()
    return {
        **{name: row[name] for name in ("pixels", "label_name", "source", "split")},
        **job.shape._asdict(),
        "id": sha256[:ID_DIGITS],
        "label": job.classes.index(row["label_name"]),
        "sha256": sha256,
    }


def _quarantined(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in QUARANTINE_SCHEMA.names}


class _Lazy:
    """A Parquet file that comes into being with its first row and appears whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Lazy":
        return self

    def write(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        if self._writer is None:
            texts = [name for name in ("label_name", "split", "reason") if name in self._schema.names]
            self._writer = pq.ParquetWriter(self._part, self._schema, compression="zstd", use_dictionary=texts)
        self._writer.write_table(pa.Table.from_pylist(rows, self._schema))

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._writer is not None:
            self._writer.close()
            if kind is None:
                self._part.replace(self._path)

    @property
    def _part(self) -> Path:
        return self._path.with_suffix(".tmp")
