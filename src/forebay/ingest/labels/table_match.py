"""Finds the images that a table of labels names."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from forebay.errors import DataError
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.labels.label_table import LabelLine, LabelTable
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.ingest.labels.splits import find_split, parse_split
from forebay.ingest.source_note import SourceNote

NAMES_SHOWN = 3


class WrittenLabel(NamedTuple):
    """The label and the split that a table's line gives an image."""

    label: str  # empty where the line has none
    split: str  # empty where the table has no such column


def match_table(table: LabelTable, matcher: NameMatcher, labels: dict[str, WrittenLabel]) -> Iterator[SourceNote]:
    """Find the images that a table names, and add their labels.

    Args:
        table: the table.
        matcher: finds images by name.
        labels: by path of the image; what the table says is added.

    Returns:
        Notes on lines that name no image.

    Raises:
        DataError: a line names several images, or two lines give an image different labels.
    """
    absent = []
    for line in table.lines:
        path = _find_image(table, line, matcher)
        if path is None:
            absent.append(line)
            continue
        earlier = labels.setdefault(path, WrittenLabel(line.label, line.split))
        if earlier.label != line.label:
            raise DataError(
                source=f"{table.file.path}, line {line.number}",
                problem=f"{line.file!r} has the label {line.label!r} here and {earlier.label!r} in a line before",
                fix="Keep one of the two lines.",
            )
    if absent and len(absent) < len(table.lines):
        first = ", ".join(f"{line.file} (line {line.number})" for line in absent[:NAMES_SHOWN])
        yield SourceNote(f"{len(absent):,} of {len(table.lines):,} lines of {table.file.path} name no image: {first}.")


def no_match_error(table: LabelTable, images: Sequence[SourceFile]) -> DataError:
    """The error for a table of which no line names an image."""
    names = ", ".join(repr(line.file) for line in table.lines[:NAMES_SHOWN])
    present = ", ".join(file.path for file in images[:NAMES_SHOWN]) or "none"
    return DataError(
        source=table.file.path,
        problem=f"none of its {len(table.lines):,} lines names an image of the source. Its column "
        f"{table.file_column!r} holds {names}; the images are {present}",
        fix="Write paths below the source, or file names, into that column; ingest.image_column names another column.",
    )


def split_of_folders(path: str) -> str | None:
    """The split that one of the folders above an image stands for."""
    return next((split for part in path.split("/")[:-1] if (split := parse_split(part))), None)


def _find_image(table: LabelTable, line: LabelLine, matcher: NameMatcher) -> str | None:
    found = matcher.find(line.file, table.folder)
    if len(found) > 1 and (split := find_split(line.split) or find_split(table.file.name.partition(".")[0])):
        found = [path for path in found if split_of_folders(path) == split] or found  # trainLabels.csv is of train/
    if len(found) > 1:
        raise DataError(
            source=f"{table.file.path}, line {line.number}",
            problem=f"{line.file!r} is the name of {len(found)} images ({', '.join(found[:NAMES_SHOWN])})",
            fix="Write their paths below the source into the table.",
        )
    return found[0] if found else None
