"""The rows of a table of labels, from CSV, TSV or JSON lines."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from forebay.errors import DataError
from forebay.ingest.archives.magic import HEAD_BYTES, archive_kind, describe_unsupported, refetch_advice
from forebay.ingest.files.reading import read_file
from forebay.ingest.files.source_file import SourceFile

MAX_BYTES = 1 << 30
TableRows = list[tuple[int, list[str]]]  # number of the line, cells
_SEPARATOR = re.compile(r'"?sep=(.)"?')  # the first line, as Excel writes and reads it
_BINARY_MAGIC = (b"PK\x03\x04", b"PAR1", b"\xd0\xcf\x11\xe0", b"SQLite format 3")  # Excel, Parquet, older Excel, SQLite
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_table_rows(file: SourceFile) -> tuple[list[str], TableRows]:
    """Read a table's header and its rows.

    Raises:
        DataError: it is too large, cannot be read, or is no table.
    """
    if file.size > MAX_BYTES:
        raise DataError(source=file.path, problem=f"{file.size} bytes, at most {MAX_BYTES} are read", fix="Cut it.")
    try:
        data = read_file(file)
    except (OSError, ValueError) as error:
        raise DataError(source=file.path, problem=f"it cannot be read: {error}", fix="Get the file again.") from error
    _check_text(file, data)
    text = _decode(data)
    return _json_rows(file, text) if is_json(file) else _csv_rows(file, text)


def is_json(file: SourceFile) -> bool:
    """Tell a table of JSON lines by its name."""
    return file.name.lower().endswith((".jsonl", ".ndjson", ".json"))


def _check_text(file: SourceFile, data: bytes) -> None:
    """Refuse a file whose first bytes are no text.

    Raises:
        DataError: says what it is and what to do.
    """
    head = data[:HEAD_BYTES]
    found = describe_unsupported(head)
    if "LFS" in found:
        raise DataError(source=file.path, problem=f"it is {found}", fix=refetch_advice(found))
    binary = b"\0" in head and not head.startswith(_UTF16_MARKS)
    if found or binary or head.startswith(_BINARY_MAGIC) or archive_kind(head):
        what = found or "no text: an Excel workbook, an archive or the like"
        fix = "Save it as CSV (UTF-8), or as JSON lines, and name that file."
        raise DataError(source=file.path, problem=f"it is {what}", fix=fix)


def _decode(data: bytes) -> str:
    if data.startswith(_UTF16_MARKS):  # as Excel writes "Unicode text"
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")  # as Excel writes CSV in Western Europe


def _csv_rows(file: SourceFile, text: str) -> tuple[list[str], TableRows]:
    start = len(text) - len(text.lstrip("\r\n"))
    separator = _SEPARATOR.fullmatch(text[start:].partition("\n")[0].strip("\r"))
    delimiter = separator[1] if separator else _delimiter(file, text[start:])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(number, row) for number, row in _numbered(reader) if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(source=file.path, problem=f"not a table: {error}", fix="Write it as UTF-8 CSV.") from error
    rows = rows[1:] if separator else rows
    return (rows[0][1], rows[1:]) if rows else ([], [])


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line in which each begins."""
    number = 1
    for row in reader:
        yield number, row
        number = reader.line_num + 1


def _delimiter(file: SourceFile, text: str) -> str:
    if file.name.lower().endswith((".tsv", ".tab")):
        return "\t"
    header = text.partition("\n")[0]
    found = max(",;\t|", key=header.count)
    return found if found in header else " "


def _json_rows(file: SourceFile, text: str) -> tuple[list[str], TableRows]:
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, row in _json_values(file, text):
        if not isinstance(row, dict):
            raise _json_error(file, number, "it is no object")
        rows.append((number, row))
    header = list(dict.fromkeys(key for _, row in rows for key in row))
    return header, [(number, [_json_cell(row.get(key)) for key in header]) for number, row in rows]


def _json_values(file: SourceFile, text: str) -> Iterator[tuple[int, Any]]:
    """The values of JSON lines, or of one list, with their number."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if text.lstrip()[:1] == "[":
        lines = [(1, text)]
    for number, line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _json_error(file, number, str(error)) from error
        if isinstance(value, list):
            yield from enumerate(value, 1)
        else:
            yield number, value


def _json_error(file: SourceFile, number: int, problem: str) -> DataError:
    fix = 'Write one object a line: {"file_name": "cat/1.png", "label": "cat"}.'
    return DataError(source=f"{file.path}, line {number}", problem=f"not JSON lines: {problem}", fix=fix)


def _json_cell(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else json.dumps(value)
