"""The files of a batch: checked before anything is read, and written whole at its end."""

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.errors import ConfigError
from forebay.serving.batch.tables import PREDICTIONS_KEY, QUARANTINE_KEY, QUARANTINE_SCHEMA, csv_rows
from forebay.settings.batch import FORMATS
from forebay.state.machine_errors import add_file_name

CSV = ".csv"
RECORD, LOCK = "batch.json", "lock"  # in the work folder
GROUP_ROWS = 65_536  # in one row group of the result
CSV_HEADS = {PREDICTIONS_KEY: "source,label,probability,", QUARANTINE_KEY: "source,reason,detail"}


@dataclass(frozen=True)
class ResultFiles:
    """Where the predictions go, and beside them the table of quarantined images."""

    predictions: Path

    @property
    def quarantine(self) -> Path:
        """`predictions.quarantine.parquet` beside `predictions.parquet`."""
        return self.predictions.with_name(f"{self.predictions.stem}.quarantine{self.predictions.suffix}")

    @property
    def work(self) -> Path:
        """The folder of what is done so far; gone when all is done."""
        return self.predictions.with_name(f"{self.predictions.name}.parts")

    def check(self, sources: Iterable[str] = ()) -> None:
        """Refuse names that cannot be written, before anything is read.

        Raises:
            ConfigError: another suffix, a file that no batch wrote, or a place inside of what is read.
        """
        out = self.predictions
        if out.suffix.lower() not in FORMATS:
            raise ConfigError(
                f"--out: the name says the format, and {out.name!r} ends with neither .parquet nor .csv. Give one such "
                "as predictions.parquet."
            )
        for path, key in ((out, PREDICTIONS_KEY), (self.quarantine, QUARANTINE_KEY)):
            if path.exists() and not _is_ours(path, key):
                raise ConfigError(
                    f"--out: {path} is there, and no batch prediction wrote it. Give another name, or remove it."
                )
        if self.work.exists() and not _is_work_folder(self.work):
            raise ConfigError(
                f"--out: {self.work}, where parts of it would go, is there, and no batch prediction wrote it. Give "
                "another name, or remove it."
            )
        for source in sources:
            folder = Path(source).expanduser().resolve()
            if "://" not in source and folder.is_dir() and out.resolve().is_relative_to(folder):
                raise ConfigError(
                    f"--out: {out} lies in {source}, which is read: it would change meanwhile. Give a place outside."
                )

    def write(self, predictions: Iterator[pa.Table], schema: pa.Schema, classes: list[str]) -> None:
        """Write the predictions whole."""
        _write(self.predictions, predictions, schema, classes)

    def write_quarantine(self, tables: Iterator[pa.Table]) -> bool:
        """Write the quarantine table whole, or remove an earlier one where there is nothing in it."""
        first = next(tables, None)
        if first is None:
            self.quarantine.unlink(missing_ok=True)
            return False
        _write(self.quarantine, _chain(first, tables), QUARANTINE_SCHEMA, [])
        return True


def _is_work_folder(path: Path) -> bool:
    """One that a batch made, also one that was killed before it wrote its record."""
    return path.is_dir() and ((path / RECORD).is_file() or {each.name for each in path.iterdir()} <= {LOCK})


def _is_ours(path: Path, key: bytes) -> bool:
    try:
        if path.suffix.lower() == CSV:
            with path.open(encoding="utf-8") as file:
                return file.readline().startswith(CSV_HEADS[key])
        return key in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        return False


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def _write(path: Path, tables: Iterator[pa.Table], schema: pa.Schema, classes: list[str]) -> None:
    for stale in path.parent.glob(f".{escape(path.name)}.{'[0-9a-f]' * 8}"):  # of one that was killed here
        stale.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with add_file_name(path):
            if path.suffix.lower() == CSV:
                _write_csv(temporary, tables, schema, classes)
            else:
                with pq.ParquetWriter(temporary, schema) as writer:
                    for group in _groups(tables):
                        writer.write_table(group, row_group_size=len(group) or 1)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(path: Path, tables: Iterator[pa.Table], schema: pa.Schema, classes: list[str]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(schema.names)
        for table in tables:
            writer.writerows(csv_rows(table, classes))


def _groups(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The small tables of parts put together."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= GROUP_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
