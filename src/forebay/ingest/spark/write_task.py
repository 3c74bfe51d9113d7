"""The last pass, in a Spark task: turn a staged part into the rows that are kept and the quarantine table."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.contracts.rows import QUARANTINE, QUARANTINE_SCHEMA, ROW_SCHEMA, ROWS
from forebay.ingest.decode_outcome import ImageShape
from forebay.ingest.spark.staged import part_name, staged_name
from forebay.ingest.spark.task_storage import TaskStorage
from forebay.state.file_digest import file_sha256

REPEATED = "repeated.parquet"  # `DeduplicationResult.repeated`, in the storage of the tasks
ID_DIGITS = 16  # hexadecimal, the first of the sha256


@dataclass(frozen=True, kw_only=True)
class WriteJob:
    """What a task needs to know. It travels to the Spark workers, so it holds plain values only."""

    work: TaskStorage  # holds the staged parts and REPEATED
    out: TaskStorage
    classes: list[str]
    shape: ImageShape
    digests: bool  # whether to return the digests of the files


def write_part(job: WriteJob, part: int) -> dict[str, str]:
    """Write the rows and the quarantine table of one part; an empty table gets no file.

    Returns:
        The sha256 of each file by its name; empty without `WriteJob.digests`.
    """
    with job.work.open_file(REPEATED) as source:
        repeated = pq.read_table(source)
    rows = _ParquetOutput(job, f"{ROWS}/{part_name(part)}", ROW_SCHEMA)
    quarantine = _ParquetOutput(job, f"{QUARANTINE}/{part_name(part)}", QUARANTINE_SCHEMA)
    with rows, quarantine, job.work.open_file(staged_name(part)) as source:
        for staged in _row_groups(source):
            marked = _mark_repeated(staged, repeated)
            kept = pc.is_null(marked["reason"])
            rows.write(_rows(marked.filter(kept), job))
            quarantine.write(marked.filter(pc.invert(kept)).select(QUARANTINE_SCHEMA.names))
    return {file.name: file.digest for file in (rows, quarantine) if file.digest}


def _row_groups(source: Path | BinaryIO) -> Iterator[pa.Table]:
    with pq.ParquetFile(source) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def _mark_repeated(staged: pa.Table, repeated: pa.Table) -> pa.Table:
    """Add a reason and a detail to those staged rows that deduplication quarantines."""
    equal = repeated.take(pc.index_in(staged["sha256"], value_set=repeated["sha256"]))  # nulls where no other is equal
    conflicting = pc.fill_null(equal["conflicting"], False)
    duplicate = pc.fill_null(pc.not_equal(equal["first"], staged["position"]), False)
    conflict_detail = pc.binary_join_element_wise(
        "the same pixels occur under several labels, first at", equal["source"], " "
    )
    duplicate_detail = pc.binary_join_element_wise("the same pixels as", equal["source"], " ")
    cases = pc.make_struct(conflicting, duplicate)
    reason = pc.case_when(cases, "conflicting_labels", "duplicate", staged["reason"])
    detail = pc.case_when(cases, conflict_detail, duplicate_detail, staged["detail"])
    return staged.drop_columns(["reason", "detail"]).append_column("reason", reason).append_column("detail", detail)


def _rows(kept: pa.Table, job: WriteJob) -> pa.Table:
    sizes = {name: pa.repeat(pa.scalar(size, pa.int32()), len(kept)) for name, size in job.shape._asdict().items()}
    label = pc.index_in(kept["label_name"], value_set=pa.array(job.classes, pa.string()))
    new = {"id": pc.utf8_slice_codeunits(kept["sha256"], 0, ID_DIGITS), "label": label, **sizes}
    return pa.table([new[name] if name in new else kept[name] for name in ROW_SCHEMA.names], ROW_SCHEMA)


class _ParquetOutput:
    """A Parquet file that is created with its first row and appears whole."""

    def __init__(self, job: WriteJob, name: str, schema: pa.Schema) -> None:
        self.name = name
        self.digest = ""  # known once the file is whole
        self._job = job
        self._schema = schema
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_ParquetOutput":
        return self

    def write(self, rows: pa.Table) -> None:
        if len(rows) == 0:
            return
        if self._writer is None:
            texts = [name for name in ("label_name", "split", "reason") if name in self._schema.names]
            path = self._stack.enter_context(self._job.out.write_file(self.name))
            self._stack.push(self._take_digest(path))
            self._writer = self._stack.enter_context(
                pq.ParquetWriter(path, self._schema, compression="lz4", use_dictionary=texts)
            )
        self._writer.write_table(rows.cast(self._schema))

    def _take_digest(self, path: Path) -> Callable[..., None]:
        """An exit function that computes the digest of the closed file before the file is moved away."""

        def on_exit(kind: type[BaseException] | None, *rest: object) -> None:
            if kind is None and self._job.digests:
                self.digest = file_sha256(path)

        return on_exit

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
