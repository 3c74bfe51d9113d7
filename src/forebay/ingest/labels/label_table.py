"""A table of labels: which column holds files, which labels, which the split; and its lines."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from forebay.errors import DataError
from forebay.ingest.archives.magic import HEAD_BYTES, archive_kind, describe_unsupported
from forebay.ingest.files.files import SourceFile, read_file
from forebay.ingest.labels.splits import find_split
from forebay.ingest.layout import is_image
from forebay.settings import AUTO, IngestConfig

# Capitals, spaces and what stands between words do not matter: "File Name", ClassId.
FILE_COLUMNS = ("file_name", "file", "file_path", "path", "image_path", "image", "images", "img", "image_name",
                "image_file", "image_file_name", "image_index", "image_id", "img_name", "img_id", "picture", "photo",
                "name", "id", "id_code", "uri", "url")  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "class_label", "category", "target", "label_name",
                 "class_id", "category_name", "category_id", "fine_label", "diagnosis", "dx", "species", "breed",
                 "finding_labels", "tag", "tags", "y")  # fmt: skip
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold", "usage")
MAX_BYTES = 1 << 30
NO_LABEL = frozenset(("", "nan", "none", "null", "n/a", "<na>"))
Rows = list[tuple[int, list[str]]]  # number of the line, cells
SHOWN = 20  # columns in a message
_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_SEPARATOR = re.compile(r'"?sep=(.)"?')  # the first line, as Excel writes and reads it
_NO_TEXT = (b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0", b"SQLite format 3")  # Excel's, Parquet's, Excel's older form


class MissingColumnError(DataError):
    """A table in which no column holds files, or none labels."""


@dataclass(frozen=True)
class LabelLine:
    """One line that names an image."""

    number: int  # in the file, from 1
    file: str
    label: str  # empty where it has none
    split: str  # empty where the table has no such column


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table of labels, read."""

    file: SourceFile
    folder: str  # inside the source, in which it lies; names are below it
    file_column: str
    lines: list[LabelLine]
    split_column: str = ""  # empty where none holds splits
    choice: str = ""  # for people: which column the labels come from, where several fit


def read_label_table(
    file: SourceFile, config: IngestConfig, *, required_file_column: str = "", outside: bool = False
) -> LabelTable:
    """Read a table of labels.

    Args:
        required_file_column: the only name of a column of files that counts.
        outside: it does not lie in the source.

    Raises:
        MissingColumnError: it has no column of files or of labels.
        DataError: it cannot be read, or has no lines.
    """
    header, rows = _rows(file)
    columns = [name.strip() for name in header]
    usual = (required_file_column,) if required_file_column else FILE_COLUMNS
    files = _column(file, columns, usual, config.image_column, "ingest.image_column", "file")
    labels = _column(file, columns, LABEL_COLUMNS, config.label_column, "ingest.label_column", "label")
    split = _split_column(columns, rows)
    lines = [
        LabelLine(number, _cell(row, files), label_text(_cell(row, labels)), _cell(row, split) if split >= 0 else "")
        for number, row in rows
        if _cell(row, files)
    ]
    if not lines:
        raise DataError(source=file.path, problem="it has no line that names an image", fix="Get the file again.")
    _check_quotes(file, lines)
    return LabelTable(
        file=file,
        folder="" if outside else file.path.rpartition("/")[0],
        file_column=columns[files],
        lines=lines,
        split_column=columns[split] if split >= 0 else "",
        choice=_choice(columns, labels) if config.label_column == AUTO else "",
    )


def _split_column(columns: Sequence[str], rows: Rows) -> int:
    """The place of the column of splits; one that only may be one needs a word for a split."""
    for place, name in enumerate(columns):
        known = any(find_split(_cell(row, place)) for _, row in rows) if name.lower() in SPLIT_COLUMNS else False
        if known or name.lower() == "split":
            return place
    return -1


def _choice(columns: Sequence[str], taken: int) -> str:
    usual = {_key(name) for name in LABEL_COLUMNS}
    others = [name for place, name in enumerate(columns) if _key(name) in usual and place != taken]
    if not others:
        return ""
    named = ", ".join(others)
    return f"The classes are taken from {columns[taken]}, not from {named}; ingest.label_column says otherwise."


def _check_quotes(file: SourceFile, lines: Sequence[LabelLine]) -> None:
    """Refuse a cell over several lines: a quote that nobody closes swallows the lines that follow."""
    for line in lines:
        if "\n" in line.label or "\n" in line.file:
            cell = line.label if "\n" in line.label else line.file
            start = cell.partition("\n")[0].strip()
            raise DataError(
                source=f"{file.path}, line {line.number}",
                problem=f"a cell goes over several lines; it begins {start!r}",
                fix="Close its quote, or write a quote in a cell twice.",
            )


def _rows(file: SourceFile) -> tuple[list[str], Rows]:
    if file.size > MAX_BYTES:
        raise DataError(source=file.path, problem=f"{file.size} bytes, at most {MAX_BYTES} are read", fix="Cut it.")
    try:
        data = read_file(file)
    except (OSError, ValueError) as error:
        raise DataError(source=file.path, problem=f"it cannot be read: {error}", fix="Get the file again.") from error
    _check_text(file, data)
    text = _text(data)
    if _is_json(file):
        return _json_rows(file, text)
    first = len(text) - len(text.lstrip("\r\n"))
    separator = _SEPARATOR.fullmatch(text[first:].partition("\n")[0].strip("\r"))
    delimiter = separator[1] if separator else _delimiter(file, text[first:])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(number, row) for number, row in _numbered(reader) if any(map(str.strip, row))]
        rows = rows[1:] if separator else rows
        return (rows[0][1], rows[1:]) if rows else ([], [])
    except csv.Error as error:
        raise DataError(source=file.path, problem=f"not a table: {error}", fix="Write it as UTF-8 CSV.") from error


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line in which each begins."""
    number = 1
    for row in reader:
        yield number, row
        number = reader.line_num + 1


def _check_text(file: SourceFile, data: bytes) -> None:
    """Refuse what is no text, by its first bytes.

    Raises:
        DataError: says what it is and what to do.
    """
    found = describe_unsupported(data[:HEAD_BYTES])
    if "LFS" in found:
        raise DataError(source=file.path, problem=f"it is {found}", fix="Run `git lfs pull` in its folder.")
    unicode = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    if (
        found
        or data.startswith(_NO_TEXT)
        or archive_kind(data[:HEAD_BYTES])
        or (not unicode and b"\0" in data[:HEAD_BYTES])
    ):
        what = found or "no text: an Excel workbook, an archive or the like"
        fix = "Save it as CSV (UTF-8), or as JSON lines, and name that file."
        raise DataError(source=file.path, problem=f"it is {what}", fix=fix)


def _text(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as Excel writes "Unicode text"
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # as Excel writes CSV in Western Europe


def _is_json(file: SourceFile) -> bool:
    return file.name.lower().endswith((".jsonl", ".ndjson", ".json"))


def _delimiter(file: SourceFile, text: str) -> str:
    if file.name.lower().endswith((".tsv", ".tab")):
        return "\t"
    head = text.partition("\n")[0]
    found = max(",;\t|", key=head.count)
    return found if found in head else " "


def _json_rows(file: SourceFile, text: str) -> tuple[list[str], Rows]:
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, row in _json_values(file, text):
        if not isinstance(row, dict):
            raise _no_json(file, number, "it is no object")
        rows.append((number, row))
    header = list(dict.fromkeys(key for _, row in rows for key in row))
    return header, [(number, [_json_text(row.get(key)) for key in header]) for number, row in rows]


def _json_values(file: SourceFile, text: str) -> Iterator[tuple[int, Any]]:
    """The values of JSON lines, or of one list, with their number."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if text.lstrip()[:1] == "[":
        lines = [(1, text)]
    for number, line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _no_json(file, number, str(error)) from error
        if isinstance(found, list):
            yield from enumerate(found, 1)
        else:
            yield number, found


def _no_json(file: SourceFile, number: int, problem: str) -> DataError:
    fix = 'Write one object a line: {"file_name": "cat/1.png", "label": "cat"}.'
    return DataError(source=f"{file.path}, line {number}", problem=f"not JSON lines: {problem}", fix=fix)


def _json_text(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _column(file: SourceFile, columns: Sequence[str], usual: Sequence[str], wanted: str, key: str, what: str) -> int:
    """The place of a column: the one that a setting names, else the first usual name."""
    if wanted != AUTO:
        if wanted in columns:
            return columns.index(wanted)
        raise MissingColumnError(
            source=file.path, problem=f"it has no column {wanted!r}; its columns are {_listed(columns)}",
            fix=f"Set {key} to one of them.",
        )  # fmt: skip
    forms = [name.lower() if len(usual) == 1 else _key(name) for name in columns]
    for name in usual:
        form = name if len(usual) == 1 else _key(name)
        if form in forms:
            return forms.index(form)
    if not _is_json(file) and any(is_image(name) for name in columns):
        raise MissingColumnError(
            source=file.path, problem=f"its first line names an image, not the columns: {_listed(columns)}",
            fix="Write a line with the names of the columns above it, such as file_name,label.",
        )  # fmt: skip
    raise MissingColumnError(
        source=file.path,
        problem=f"no column has a usual name for the {what} of an image: {_listed(columns) or 'there is none'}",
        fix=f"Name the columns in the first line ({', '.join(usual[:4])}, …), or set {key}.",
    )


def _key(column: str) -> str:
    """The name of a column without what people write differently."""
    return re.sub(r"[\W_]+", "", column.lower())


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return f"{', '.join(columns[:SHOWN])}{more}"


def _cell(row: Sequence[str], column: int) -> str:
    return row[column].strip() if column < len(row) else ""


def label_text(text: str) -> str:
    """A label as the class is called: whole floats are integers, as pandas writes them where a label is missing."""
    whole = _WHOLE.fullmatch(text)
    return "" if text.lower() in NO_LABEL else whole[1] if whole else text
