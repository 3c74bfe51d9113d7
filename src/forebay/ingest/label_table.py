"""A table of labels: which column holds files, which labels, which the split; and its lines."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forebay.errors import DataError
from forebay.ingest.files import File, read_file
from forebay.settings import AUTO, IngestConfig

FILE_COLUMNS = ("file_name", "filename", "file", "filepath", "file_path", "path", "image_path", "image", "images",
                "img", "image_name", "image_id", "img_id", "picture", "photo", "name", "id", "uri", "url")  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "label_name", "class_id",
                 "category_id", "fine_label", "diagnosis", "species", "breed", "tag", "y")  # fmt: skip
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold", "usage")
MAX_BYTES = 1 << 30
NO_LABEL = frozenset(("", "nan", "none", "null", "n/a", "<na>"))
Rows = list[tuple[int, list[str]]]  # number of the line, cells
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class ColumnsError(DataError):
    """A table in which no column holds files, or none labels."""


@dataclass(frozen=True)
class Line:
    """One line that names a picture."""

    number: int  # in the file, from 1
    file: str
    label: str  # empty where it has none
    split: str  # empty where the table has no such column


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table of labels, read."""

    file: File
    folder: str  # inside the source, in which it lies; names are below it
    file_column: str
    lines: list[Line]


def read_label_table(
    file: File, config: IngestConfig, *, required_file_column: str = "", outside: bool = False
) -> LabelTable:
    """Read a table of labels.

    Args:
        required_file_column: the only name of a column of files that counts.
        outside: it does not lie in the source.

    Raises:
        ColumnsError: it has no column of files or of labels.
        DataError: it cannot be read, or has no lines.
    """
    header, rows = _rows(file)
    columns = [name.strip() for name in header]
    usual = (required_file_column,) if required_file_column else FILE_COLUMNS
    files = _column(file, columns, usual, config.image_column, "ingest.image_column", "file")
    labels = _column(file, columns, LABEL_COLUMNS, config.label_column, "ingest.label_column", "label")
    split = next((columns.index(name) for name in columns if name.lower() in SPLIT_COLUMNS), -1)
    lines = [
        Line(number, _cell(row, files), _label(_cell(row, labels)), _cell(row, split) if split >= 0 else "")
        for number, row in rows
        if _cell(row, files)
    ]
    if not lines:
        raise DataError(source=file.path, problem="it has no line that names a picture", fix="Get the file again.")
    folder = "" if outside else file.path.rpartition("/")[0]
    return LabelTable(file=file, folder=folder, file_column=columns[files], lines=lines)


def _rows(file: File) -> tuple[list[str], Rows]:
    if file.size > MAX_BYTES:
        raise DataError(source=file.path, problem=f"{file.size} bytes, at most {MAX_BYTES} are read", fix="Cut it.")
    try:
        text = _text(read_file(file))
    except (OSError, ValueError) as error:
        raise DataError(source=file.path, problem=f"it cannot be read: {error}", fix="Get the file again.") from error
    if file.name.lower().endswith((".jsonl", ".ndjson", ".json")):
        return _json_rows(file, text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(file, text))
    try:
        return next(reader, []), [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(source=file.path, problem=f"not a table: {error}", fix="Write it as UTF-8 CSV.") from error


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Excel writes "Unicode text"
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # as Excel writes CSV in Western Europe


def _delimiter(file: File, text: str) -> str:
    if file.name.lower().endswith((".tsv", ".tab")):
        return "\t"
    head = text.partition("\n")[0]
    return max(",;\t|", key=head.count)


def _json_rows(file: File, text: str) -> tuple[list[str], Rows]:
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _no_json(file, number, str(error)) from error
        if not isinstance(row, dict):
            raise _no_json(file, number, "it is no object")
        rows.append((number, row))
    header = list(dict.fromkeys(key for _, row in rows for key in row))
    return header, [(number, [_json_text(row.get(key)) for key in header]) for number, row in rows]


def _no_json(file: File, number: int, problem: str) -> DataError:
    fix = 'Write one object a line: {"file_name": "cat/1.png", "label": "cat"}.'
    return DataError(source=f"{file.path}, line {number}", problem=f"not JSON lines: {problem}", fix=fix)


def _json_text(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _column(file: File, columns: Sequence[str], usual: Sequence[str], wanted: str, key: str, what: str) -> int:
    """The place of a column: the one that a setting names, else the first usual name."""
    if wanted != AUTO:
        if wanted in columns:
            return columns.index(wanted)
        raise ColumnsError(
            source=file.path, problem=f"it has no column {wanted!r}; its columns are {', '.join(columns)}",
            fix=f"Set {key} to one of them.",
        )  # fmt: skip
    lower = [name.lower() for name in columns]
    for name in usual:
        if name in lower:
            return lower.index(name)
    raise ColumnsError(
        source=file.path,
        problem=f"no column has a usual name for the {what} of a picture: {', '.join(columns) or 'there is none'}",
        fix=f"Name the columns in the first line ({', '.join(usual[:4])}, …), or set {key}.",
    )


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def _label(text: str) -> str:
    """A label as the class is called: whole floats are integers, as pandas writes them where a label is missing."""
    whole = _WHOLE.fullmatch(text)
    return "" if text.lower() in NO_LABEL else whole[1] if whole else text
