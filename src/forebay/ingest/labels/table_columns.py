"""Which columns of a table of labels hold the files, the labels and the split."""

import re
from collections.abc import Sequence

from forebay.errors import DataError
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.suffixes import has_image_suffix
from forebay.ingest.labels.splits import find_split
from forebay.ingest.labels.table_rows import TableRows, is_json
from forebay.settings import AUTO
from forebay.text import join_names

# Capitals, spaces and what stands between words do not matter: "File Name", ClassId.
FILE_COLUMNS = ("file_name", "file", "file_path", "path", "image_path", "image", "images", "img", "image_name",
                "image_file", "image_file_name", "image_index", "image_id", "img_name", "img_id", "picture", "photo",
                "name", "id", "id_code", "uri", "url")  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "class_label", "category", "target", "label_name",
                 "class_id", "category_name", "category_id", "fine_label", "diagnosis", "dx", "species", "breed",
                 "finding_labels", "tag", "tags", "y")  # fmt: skip
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold", "usage")
COLUMNS_SHOWN = 20


class MissingColumnError(DataError):
    """A table in which no column holds files, or none holds labels."""


def file_column(file: SourceFile, columns: Sequence[str], wanted: str, required: str) -> int:
    """The position of the column of files.

    Args:
        file: the table, for messages.
        columns: its columns.
        wanted: `ingest.image_column`.
        required: the only name that counts, exactly as written; empty where all usual names do.

    Raises:
        MissingColumnError: there is none.
    """
    usual = (required,) if required else FILE_COLUMNS
    return _column(file, columns, usual, wanted, "ingest.image_column", "file")


def label_column(file: SourceFile, columns: Sequence[str], wanted: str) -> int:
    """The position of the column of labels; `wanted` is `ingest.label_column`.

    Raises:
        MissingColumnError: there is none.
    """
    return _column(file, columns, LABEL_COLUMNS, wanted, "ingest.label_column", "label")


def split_column(columns: Sequence[str], rows: TableRows) -> int:
    """The position of the column of splits, or -1. Except in `split`, at least one value must stand for a split."""
    for position, name in enumerate(columns):
        if name.lower() == "split":
            return position
        if name.lower() in SPLIT_COLUMNS and any(find_split(cell(row, position)) for _, row in rows):
            return position
    return -1


def label_choice(columns: Sequence[str], taken: int) -> str:
    """A note on the column from which the labels are taken, where others fit; else empty."""
    usual = {_key(name) for name in LABEL_COLUMNS}
    others = [name for position, name in enumerate(columns) if _key(name) in usual and position != taken]
    if not others:
        return ""
    named = ", ".join(others)
    return f"The classes are taken from {columns[taken]}, not from {named}; ingest.label_column says otherwise."


def cell(row: Sequence[str], position: int) -> str:
    """The text of a cell; empty where the row ends before."""
    return row[position].strip() if position < len(row) else ""


def _column(
    file: SourceFile, columns: Sequence[str], usual: Sequence[str], wanted: str, setting: str, content: str
) -> int:
    """The position of a column: the one that a setting names, else the first usual name."""
    if wanted != AUTO:
        if wanted in columns:
            return columns.index(wanted)
        raise MissingColumnError(
            source=file.path, problem=f"it has no column {wanted!r}; its columns are {_listed(columns)}",
            fix=f"Set {setting} to one of them.",
        )  # fmt: skip
    key = str.lower if len(usual) == 1 else _key
    keys = [key(name) for name in columns]
    for name in usual:
        if (wanted_key := name if len(usual) == 1 else _key(name)) in keys:
            return keys.index(wanted_key)
    raise _no_usual_column(file, columns, usual, setting, content)


def _no_usual_column(
    file: SourceFile, columns: Sequence[str], usual: Sequence[str], setting: str, content: str
) -> MissingColumnError:
    if not is_json(file) and any(has_image_suffix(name) for name in columns):
        return MissingColumnError(
            source=file.path, problem=f"its first line names an image, not the columns: {_listed(columns)}",
            fix="Write a line with the names of the columns above it, such as file_name,label.",
        )  # fmt: skip
    return MissingColumnError(
        source=file.path,
        problem=f"no column has a usual name for the {content} of an image: {_listed(columns) or 'there is none'}",
        fix=f"Name the columns in the first line ({', '.join(usual[:4])}, …), or set {setting}.",
    )


def _key(column: str) -> str:
    """A column's name without what people write differently."""
    return re.sub(r"[\W_]+", "", column.lower())


def _listed(columns: Sequence[str]) -> str:
    return join_names(columns, COLUMNS_SHOWN)
