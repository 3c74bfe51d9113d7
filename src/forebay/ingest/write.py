"""The last pass, in a Spark task: from a staged part to the rows that are kept and the quarantine table."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.contracts.rows import QUARANTINE, QUARANTINE_SCHEMA, ROW_SCHEMA, ROWS
from forebay.ingest.decode import part_name
from forebay.ingest.shapes import Shape

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
    repeated = pq.read_table(job.repeated)
    with ExitStack() as stack:
        rows = stack.enter_context(_Lazy(job.out / ROWS / part_name(part), ROW_SCHEMA))
        quarantine = stack.enter_context(_Lazy(job.out / QUARANTINE / part_name(part), QUARANTINE_SCHEMA))
        for staged in _row_groups(job.staged / part_name(part)):
            judged = _judged(staged, repeated)
            kept = pc.is_null(judged["reason"])
            rows.write(_rows(judged.filter(kept), job))
            quarantine.write(judged.filter(pc.invert(kept)).select(QUARANTINE_SCHEMA.names))


def _row_groups(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group)


def _judged(staged: pa.Table, repeated: pa.Table) -> pa.Table:
    """The staged rows, with a reason and a detail for those that the verdict on equal pictures refuses."""
    same = repeated.take(pc.index_in(staged["sha256"], value_set=repeated["sha256"]))  # nulls where there is no equal
    conflicting = pc.fill_null(same["conflicting"], False)
    duplicate = pc.fill_null(pc.not_equal(same["first"], staged["position"]), False)
    clash = pc.binary_join_element_wise("the same pixels occur under several labels, first at", same["source"], " ")
    again = pc.binary_join_element_wise("the same pixels as", same["source"], " ")
    cases = pc.make_struct(conflicting, duplicate)
    reason = pc.case_when(cases, "conflicting_labels", "duplicate", staged["reason"])
    detail = pc.case_when(cases, clash, again, staged["detail"])
    return staged.drop_columns(["reason", "detail"]).append_column("reason", reason).append_column("detail", detail)


def _rows(kept: pa.Table, job: WriteJob) -> pa.Table:
    sizes = {name: pa.repeat(pa.scalar(size, pa.int32()), len(kept)) for name, size in job.shape._asdict().items()}
    label = pc.index_in(kept["label_name"], value_set=pa.array(job.classes, pa.string()))
    made = {"id": pc.utf8_slice_codeunits(kept["sha256"], 0, ID_DIGITS), "label": label, **sizes}
    return pa.table([made[name] if name in made else kept[name] for name in ROW_SCHEMA.names], ROW_SCHEMA)


class _Lazy:
    """A Parquet file that comes into being with its first row and appears whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> "_Lazy":
        return self

    def write(self, rows: pa.Table) -> None:
        if len(rows) == 0:
            return
        if self._writer is None:
            texts = [name for name in ("label_name", "split", "reason") if name in self._schema.names]
            self._writer = pq.ParquetWriter(self._part, self._schema, compression="lz4", use_dictionary=texts)
        self._writer.write_table(rows.cast(self._schema))

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._writer is not None:
            self._writer.close()
            if kind is None:
                self._part.replace(self._path)

    @property
    def _part(self) -> Path:
        return self._path.with_suffix(".tmp")
