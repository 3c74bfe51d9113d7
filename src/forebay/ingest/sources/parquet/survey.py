"""A first look at every file of a Parquet dataset: its columns, its classes and its splits."""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.labels.split_names import SplitNames
from forebay.ingest.labels.splits import find_split
from forebay.ingest.sources.parquet.class_names import class_name
from forebay.ingest.sources.parquet.column_errors import only_paths
from forebay.ingest.sources.parquet.column_types import is_number_type, is_text_type
from forebay.ingest.sources.parquet.columns import ColumnChoice, choose_columns
from forebay.ingest.sources.parquet.hugging_face import class_names
from forebay.ingest.sources.parquet.open_file import open_parquet, value_counts
from forebay.ingest.sources.parquet.split_values import partition_values, split_in_path
from forebay.ingest.sources.source_kind import invalid_file
from forebay.settings import IngestConfig


@dataclass(frozen=True, kw_only=True)
class ParquetTable:
    """A Parquet file with rows, and what is taken from where."""

    file: SourceFile
    metadata: Any  # pyarrow's, so that the footer is read once
    columns: ColumnChoice
    numeric_labels: bool
    text_labels: bool  # neither is true where all labels are null
    class_names: list[str] | None  # the class of each number
    split_names: list[str] | None  # the split of each number
    partitions: dict[str, str | None]  # values of the path's key=value folders
    path_split: str | None  # the split that the file's path names

    def split_name(self, value: Any) -> str | None:
        """The name of the split that a value of the split column stands for."""
        return class_name(value, self.split_names)[0]


def survey_file(file: SourceFile, config: IngestConfig, names: SplitNames) -> ParquetTable | None:
    """Find out what to take from where in a file, and count its rows by name of the split.

    Returns:
        None where the file has no rows.

    Raises:
        DataError: it cannot be read, or its columns do not fit.
    """
    check_plain_file(file)
    with open_parquet(file) as opened:
        if not opened.metadata.num_rows:
            return None
        schema, partitions = opened.schema_arrow, partition_values(file.path)
        columns = choose_columns(file, schema, partitions, config)
        check_bytes(file, opened, columns.image)
        table = ParquetTable(
            file=file,
            metadata=opened.metadata,
            columns=columns,
            numeric_labels=not columns.label_in_folder and is_number_type(schema.field(columns.label).type),
            text_labels=columns.label_in_folder or is_text_type(schema.field(columns.label).type),
            class_names=class_names(schema, columns.label),
            split_names=class_names(schema, columns.split) if columns.split else None,
            partitions=partitions,
            path_split=split_in_path(file.path, partitions),
        )
        return _count_splits(table, opened, names)


def _count_splits(table: ParquetTable, opened: Any, names: SplitNames) -> ParquetTable:
    """Count a file's rows by name of the split. Except in `split`, at least one value must stand for a split."""
    path, column = table.file.path, table.columns.split
    values = value_counts(opened, column) if column else ()
    counts = [(table.split_name(value), rows) for value, rows in values]
    known = any(name is not None and find_split(name) for name, _ in counts)
    if column is None or (column.lower() != "split" and not known):
        names.add(table.path_split, opened.metadata.num_rows, path, labelled=_has_labels(table, opened))
        return replace(table, columns=replace(table.columns, split=None))
    for name, rows in counts:
        names.add(name or table.path_split, rows, path)
        if name and table.path_split and find_split(name) and find_split(name) != find_split(table.path_split):
            names.conflict = names.conflict or path
    return table


def _has_labels(table: ParquetTable, opened: Any) -> bool:
    """Tell whether any row has a label. Only a file whose path names a split is looked at: no other is set aside."""
    if table.columns.label_in_folder or table.path_split is None:
        return True
    return any(class_name(value, table.class_names)[0] for value, _ in value_counts(opened, table.columns.label))


def check_plain_file(file: SourceFile) -> None:
    """Refuse a file that cannot be opened as Parquet.

    Raises:
        DataError: it is no regular file, or lies in an archive.
    """
    if file.problem:
        raise invalid_file(file, file.problem, "Mend it, or take it out of the folder.")
    if file.offset or file.zipped_bytes:
        raise invalid_file(file, "Parquet inside an archive is not read", "Unpack it and give the folder.")


def check_bytes(file: SourceFile, opened: Any, image: str) -> None:
    """Refuse a file all of whose images are paths to somewhere else.

    Raises:
        DataError: names the file, the column and one of the paths.
    """
    kind = opened.schema_arrow.field(image).type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0 or kind.get_field_index("path") < 0:
        return
    if pa.types.is_null(kind.field("bytes").type) or _all_null(opened, f"{image}.bytes"):
        paths = opened.read_row_group(0, columns=[f"{image}.path"])[image]
        example = next((row["path"] for row in paths.to_pylist() if row and row["path"]), None)
        if example is not None:
            raise only_paths(file, image, str(example))


def _all_null(opened: Any, leaf: str) -> bool:
    """Tell whether a nested column is null in every row; the footer says so in most files."""
    for group in range(opened.num_row_groups):
        metadata = opened.metadata.row_group(group)
        chunks = map(metadata.column, range(metadata.num_columns))
        statistics = next(chunk for chunk in chunks if chunk.path_in_schema == leaf).statistics
        if statistics is None or not statistics.has_null_count:
            column = opened.read_row_group(group, columns=[leaf])[leaf.rpartition(".")[0]]
            nulls = pc.struct_field(column, "bytes").null_count
        else:
            nulls = statistics.null_count
        if nulls < metadata.num_rows:
            return False
    return True
