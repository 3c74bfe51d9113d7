"""The index of a Parquet dataset: every file is surveyed first, because a split and classes are those of all files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from forebay.ingest.archives.magic import wrong_file_error
from forebay.ingest.files.files import SourceFile, open_file
from forebay.ingest.image_index import ImageRecord
from forebay.ingest.labels.splits import find_split
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.parquet.class_names import class_names, label_name, partition_text
from forebay.ingest.sources.parquet.columns import ColumnChoice, choose, is_text, only_paths_error
from forebay.ingest.sources.parquet.mixed_folder import is_parquet, other_file_notes
from forebay.ingest.sources.parquet.split_values import SplitNames, partition_values, split_in_path
from forebay.ingest.sources.source_kind import SourceContents, invalid_file
from forebay.settings import IngestConfig

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ParquetTable:
    """A Parquet file with rows in it, and what is taken from where."""

    file: SourceFile
    metadata: Any  # pyarrow's, so that the footer is read once
    columns: ColumnChoice
    numbers: bool  # whether labels are numbers
    texts: bool  # whether they are text; neither where all are null
    names: list[str] | None  # of classes by number
    split_names: list[str] | None
    folders: dict[str, str | None]
    place: str | None  # word for a split of the file's name or folders


def index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    """Records of every row, and notes on what was chosen, dropped and passed over."""
    words, files, config = SplitNames(), contents.files, contents.config
    tables = [table for file in files if is_parquet(file) and (table := _survey(file, config, words)) is not None]
    _check_classes(tables)
    yield from words.set_aside()
    choices = dict.fromkeys(choice for table in tables for choice in table.columns.choices)
    yield from (SourceNote(text) for text in [*choices, *_mixed(tables)])
    yield from words.notes()
    yield from other_file_notes(files)
    uses = words.uses()
    for table in tables:
        with _open(table.file, table.metadata) as opened:
            yield from _records(table, opened, uses)


def _survey(file: SourceFile, config: IngestConfig, words: SplitNames) -> ParquetTable | None:
    """What is taken from where in a file; None where it has no rows."""
    if file.problem:
        raise invalid_file(file, file.problem, "Mend it, or take it out of the folder.")
    if file.offset or file.zipped_bytes:
        raise invalid_file(file, "Parquet inside an archive is not read", "Unpack it and give the folder.")
    with _open(file) as opened:
        if not opened.metadata.num_rows:
            return None
        schema, folders = opened.schema_arrow, partition_values(file.path)
        columns = choose(file, schema, folders, config)
        _check_bytes(file, opened, columns)
        table = ParquetTable(
            file=file,
            metadata=opened.metadata,
            columns=columns,
            numbers=not columns.label_in_folder and _is_number(schema.field(columns.label).type),
            texts=columns.label_in_folder or is_text(schema.field(columns.label).type),
            names=class_names(schema, columns.label),
            split_names=class_names(schema, columns.split) if columns.split else None,
            folders=folders,
            place=split_in_path(file.path, folders),
        )
        return _count_words(table, opened, words)


def _is_number(kind: pa.DataType) -> bool:
    return not (is_text(kind) or pa.types.is_null(kind) or pa.types.is_temporal(kind))


def _count_words(table: ParquetTable, opened: Any, words: SplitNames) -> ParquetTable:
    """Count the words for a split of a file's rows. A column that only may be a split needs one that is known."""
    path, split = table.file.path, table.columns.split
    counted = [(_split_of(table, value), rows) for value, rows in _values(opened, split)]
    known = any(name is not None and find_split(name) for name, _ in counted)
    if split is None or (split.lower() != "split" and not known):
        words.add(table.place, opened.metadata.num_rows, path, labelled=_has_labels(table, opened))
        return replace(table, columns=replace(table.columns, split=None))
    for name, rows in counted:
        words.add(name or table.place, rows, path)
        if name and table.place and find_split(name) and find_split(name) != find_split(table.place):
            words.clash = words.clash or path
    return table


def _has_labels(table: ParquetTable, opened: Any) -> bool:
    """Tell whether any row has a label; only where the file's place may make a split of it."""
    if table.columns.label_in_folder or table.place is None:
        return True
    return any(label_name(value, table.names)[0] for value, _ in _values(opened, table.columns.label))


def _values(opened: Any, column: str | None) -> Iterator[tuple[Any, int]]:
    """The distinct values of a column in each row group, with their number of rows."""
    for group in range(opened.num_row_groups if column else 0):
        for found in pc.value_counts(opened.read_row_group(group, columns=[column])[column]).to_pylist():
            yield found["values"], found["counts"]


def _split_of(table: ParquetTable, value: Any) -> str | None:
    return label_name(value, table.split_names)[0]


def _check_bytes(file: SourceFile, opened: Any, columns: ColumnChoice) -> None:
    """Refuse a file all of whose images are paths to somewhere else.

    Raises:
        DataError: names the file, the column and one of the paths.
    """
    kind = opened.schema_arrow.field(columns.image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0 or kind.get_field_index("path") < 0:
        return
    if pa.types.is_null(kind.field("bytes").type) or _all_null(opened, f"{columns.image}.bytes"):
        paths = opened.read_row_group(0, columns=[f"{columns.image}.path"])[columns.image]
        example = next((row["path"] for row in paths.to_pylist() if row and row["path"]), None)
        if example is not None:
            raise only_paths_error(file, columns.image, str(example))


def _all_null(opened: Any, leaf: str) -> bool:
    """Tell whether a nested column is null in every row, by the footer where it says so."""
    for group in range(opened.num_row_groups):
        found = opened.metadata.row_group(group)
        chunk = next(
            chunk for chunk in map(found.column, range(found.num_columns)) if chunk.path_in_schema == leaf
        )  # fmt: skip
        statistics = chunk.statistics
        if statistics is None or not statistics.has_null_count:
            column = opened.read_row_group(group, columns=[leaf])[leaf.rpartition(".")[0]]
            nulls = pc.struct_field(column, "bytes").null_count
        else:
            nulls = statistics.null_count
        if nulls < found.num_rows:
            return False
    return True


def _check_classes(tables: Sequence[ParquetTable]) -> None:
    """Refuse files whose numbers mean other classes.

    Raises:
        DataError: names two such files.
    """
    numbered = [table for table in tables if table.numbers]
    for table in numbered:
        first = numbered[0]
        if table.names != first.names:
            raise invalid_file(
                table.file,
                f"its labels are numbers of {_classes(table.names)}, those of {first.file.path} of "
                f"{_classes(first.names)}",
                "Write both with the same class names in the same order (features=… in Hugging Face datasets), or with "
                "the names themselves as labels.",
            )


def _classes(names: Sequence[str] | None) -> str:
    if names is None:
        return "classes without names"
    more = f", … {len(names)} in all" if len(names) > SHOWN else ""
    return f"the classes {', '.join(names[:SHOWN])}{more}"


def _mixed(tables: Sequence[ParquetTable]) -> list[str]:
    """Notes on labels that come from several columns, or that are names here and bare numbers there."""
    notes = []
    first: dict[object, ParquetTable] = {}
    for table in tables:
        first.setdefault(table.columns.label, table)
    if len(first) > 1:
        places = " and ".join(f"{table.columns.label} in {table.file.path}" for table in list(first.values())[:2])
        notes.append(f"The classes are taken from several columns: {places}. Where they mean different things, set "
                     "ingest.label_column.")  # fmt: skip
    bare = next((table for table in tables if table.numbers and table.names is None), None)
    named = next((table for table in tables if table.texts), None)
    if bare and named:
        notes.append(f"Labels are numbers in {bare.file.path} and text in {named.file.path}; both become classes.")
    return notes


def _records(table: ParquetTable, opened: Any, uses: Mapping[str | None, str | None]) -> Iterator[ImageRecord]:
    # The file's place and size travel in `uri` and `size`: enough for a task to open it again.
    file, uri, row = table.file, os.fsencode(table.file.uri), count()
    for group in range(opened.num_row_groups):
        for value, split in _labels_and_splits(table, opened, group):
            name, detail = label_name(value, table.names)
            yield ImageRecord(
                f"{file.path}#{next(row):08d}", name, uses.get(_split_of(table, split) or table.place), uri, group,
                file.size, reason=None if name else "unlabelled", detail=detail, column=table.columns.image,
            )  # fmt: skip


def _labels_and_splits(table: ParquetTable, opened: Any, group: int) -> Iterator[tuple[Any, Any]]:
    columns, rows = table.columns, opened.metadata.row_group(group).num_rows
    wanted = [*([] if columns.label_in_folder else [columns.label]), *([columns.split] if columns.split else [])]
    read: Any = opened.read_row_group(group, columns=wanted) if wanted else None
    labels = repeat(_folder_label(table), rows) if columns.label_in_folder else read[columns.label].to_pylist()
    splits = read[columns.split].to_pylist() if columns.split else repeat(None, rows)
    return zip(labels, splits, strict=True)


def _folder_label(table: ParquetTable) -> Any:
    """The label of a folder's name; digits are a number where the file names the classes of numbers."""
    value = partition_text(table.folders[table.columns.label])
    return int(value) if value and table.names and value.isascii() and value.isdigit() else value


@contextmanager
def _open(file: SourceFile, metadata: Any = None) -> Iterator[Any]:
    """A file opened by pyarrow; what is wrong with it gets the file's name."""
    try:
        with open_file(file) as stream, pq.ParquetFile(stream, metadata=metadata) as table:
            yield table
    except pa.ArrowException as error:
        raise wrong_file_error(file) or invalid_file(file, f"not a whole Parquet file ({error})") from error
    except OSError as error:  # Arrow's own for damaged pages, or the disk's or the store's
        raise invalid_file(file, f"reading it failed ({error})") from error
