"""A table of labels: one line for each image, with its label and, where the table has it, its split."""

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.errors import DataError
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.labels.label_text import label_text
from forebay.ingest.labels.table_columns import cell, file_column, label_choice, label_column, split_column
from forebay.ingest.labels.table_rows import read_table_rows
from forebay.settings import AUTO, IngestConfig


@dataclass(frozen=True)
class LabelLine:
    """One line that names an image."""

    number: int  # in the file, from 1
    file: str
    label: str  # empty where it has none
    split: str  # empty where the table has no such column


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """The content of a table of labels."""

    file: SourceFile
    folder: str  # the table's folder inside the source; the files that it names lie below
    file_column: str
    lines: list[LabelLine]
    split_column: str = ""  # empty where no column holds splits
    choice: str = ""  # a note on the column of the labels, where several fit


def read_label_table(
    file: SourceFile, config: IngestConfig, *, required_file_column: str = "", outside: bool = False
) -> LabelTable:
    """Read a table of labels.

    Args:
        file: the table.
        config: `image_column` and `label_column` may name the columns.
        required_file_column: the only name that counts for the column of files.
        outside: whether the table lies outside the source.

    Raises:
        MissingColumnError: it has no column of files or of labels.
        DataError: it cannot be read, or has no lines.
    """
    header, rows = read_table_rows(file)
    columns = [name.strip() for name in header]
    files = file_column(file, columns, config.image_column, required_file_column)
    labels = label_column(file, columns, config.label_column)
    splits = split_column(columns, rows)
    lines = [
        LabelLine(number, cell(row, files), label_text(cell(row, labels)), cell(row, splits) if splits >= 0 else "")
        for number, row in rows
        if cell(row, files)
    ]
    if not lines:
        raise DataError(source=file.path, problem="it has no line that names an image", fix="Get the file again.")
    _check_quotes(file, lines)
    return LabelTable(
        file=file,
        folder="" if outside else file.path.rpartition("/")[0],
        file_column=columns[files],
        lines=lines,
        split_column=columns[splits] if splits >= 0 else "",
        choice=label_choice(columns, labels) if config.label_column == AUTO else "",
    )


def _check_quotes(file: SourceFile, lines: Sequence[LabelLine]) -> None:
    """Refuse a cell over several lines: a quote that nobody closes swallows the lines that follow."""
    for line in lines:
        if "\n" in line.label or "\n" in line.file:
            text = line.label if "\n" in line.label else line.file
            start = text.partition("\n")[0].strip()
            raise DataError(
                source=f"{file.path}, line {line.number}",
                problem=f"a cell goes over several lines; it begins {start!r}",
                fix="Close its quote, or write a quote in a cell twice.",
            )
