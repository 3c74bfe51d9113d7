"""The index of a Parquet dataset. All files are surveyed first, because they share one split and one set of classes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import Any

from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.labels.label_text import whole_number
from forebay.ingest.labels.split_names import SplitNames
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.parquet.class_names import class_name
from forebay.ingest.sources.parquet.mixed_folder import is_parquet, other_file_notes
from forebay.ingest.sources.parquet.open_file import open_parquet
from forebay.ingest.sources.parquet.survey import ParquetTable, survey_file
from forebay.ingest.sources.source_kind import SourceContents, invalid_file

NAMES_SHOWN = 3


def index_parquet(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    """Yield a record of every row, and notes on what was chosen, dropped and passed over."""
    names, files, config = SplitNames(), contents.files, contents.config
    tables = [table for file in files if is_parquet(file) and (table := survey_file(file, config, names)) is not None]
    _check_same_classes(tables)
    yield from names.drop_unlabelled()
    choices = dict.fromkeys(note for table in tables for note in table.columns.notes)
    yield from (SourceNote(text) for text in [*choices, *_mixed_label_notes(tables)])
    yield from names.notes()
    yield from other_file_notes(files)
    roles = names.roles()
    for table in tables:
        with open_parquet(table.file, table.metadata) as opened:
            yield from _records(table, opened, roles)


def _check_same_classes(tables: Sequence[ParquetTable]) -> None:
    """Refuse files in which the same number is another class.

    Raises:
        DataError: names two such files.
    """
    numeric = [table for table in tables if table.numeric_labels]
    for table in numeric:
        first = numeric[0]
        if table.class_names != first.class_names:
            raise invalid_file(
                table.file,
                f"its labels are numbers of {_classes(table.class_names)}, those of {first.file.path} of "
                f"{_classes(first.class_names)}",
                "Write both with the same class names in the same order (features=… in Hugging Face datasets), or with "
                "the names themselves as labels.",
            )


def _classes(names: Sequence[str] | None) -> str:
    if names is None:
        return "classes without names"
    more = f", … {len(names)} in all" if len(names) > NAMES_SHOWN else ""
    return f"the classes {', '.join(names[:NAMES_SHOWN])}{more}"


def _mixed_label_notes(tables: Sequence[ParquetTable]) -> list[str]:
    """Notes on labels that come from several columns, or that are names in one file and bare numbers in another."""
    notes = []
    by_column: dict[object, ParquetTable] = {}  # the first table of each label column
    for table in tables:
        by_column.setdefault(table.columns.label, table)
    if len(by_column) > 1:
        examples = list(by_column.values())[:2]
        places = " and ".join(f"{table.columns.label} in {table.file.path}" for table in examples)
        notes.append(f"The classes are taken from several columns: {places}. Where they mean different things, set "
                     "ingest.label_column.")  # fmt: skip
    bare = next((table for table in tables if table.numeric_labels and table.class_names is None), None)
    named = next((table for table in tables if table.text_labels), None)
    if bare and named:
        notes.append(f"Labels are numbers in {bare.file.path} and text in {named.file.path}; both become classes.")
    return notes


def _records(table: ParquetTable, opened: Any, roles: Mapping[str | None, str | None]) -> Iterator[ImageRecord]:
    # `uri` and `size` are those of the file, and `offset` is the row group: enough for a task to read the row again.
    file, uri, row = table.file, os.fsencode(table.file.uri), count()
    for group in range(opened.num_row_groups):
        for label, split in _labels_and_splits(table, opened, group):
            name, detail = class_name(label, table.class_names)
            role = roles.get(table.split_name(split) or table.path_split)
            yield ImageRecord(
                f"{file.path}#{next(row):08d}", name, role, uri, group, file.size,
                reason=None if name else "unlabelled", detail=detail, column=table.columns.image,
            )  # fmt: skip


def _labels_and_splits(table: ParquetTable, opened: Any, group: int) -> Iterator[tuple[Any, Any]]:
    columns, rows = table.columns, opened.metadata.row_group(group).num_rows
    wanted = [*([] if columns.label_in_folder else [columns.label]), *([columns.split] if columns.split else [])]
    read: Any = opened.read_row_group(group, columns=wanted) if wanted else None
    labels = repeat(_folder_label(table), rows) if columns.label_in_folder else read[columns.label].to_pylist()
    splits = read[columns.split].to_pylist() if columns.split else repeat(None, rows)
    return zip(labels, splits, strict=True)


def _folder_label(table: ParquetTable) -> Any:
    """The label that a folder's name holds; digits are a number where the file names the classes of numbers."""
    value = table.partitions[table.columns.label]
    text = None if value is None else whole_number(value)
    return int(text) if text and table.class_names and text.isascii() and text.isdigit() else text
