"""Images whose labels stand in a table: CSV, TSV or JSON lines with a column of files and one of labels.

`ingest.labels` names the table; a Hugging Face `imagefolder` brings it as `metadata.csv` or `metadata.jsonl` beside the
images. `forebay.ingest.labels.label_table` holds how it is read, docs/data.md the rules for people.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.files import SourceFile, list_files
from forebay.ingest.image_index import ImageRecord
from forebay.ingest.labels.label_table import LabelTable, MissingColumnError, read_label_table
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.ingest.labels.splits import find_split, parse_split
from forebay.ingest.layout import ImageLabel, has_sidecar_suffix, is_image
from forebay.ingest.layout.tree import counted
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.folder import record, sidecar_notes
from forebay.ingest.sources.parquet.split_values import SplitNames
from forebay.ingest.sources.source_kind import SourceContents, SourceKind, read_byte_ranges
from forebay.object_store import is_s3_uri

METADATA = ("metadata.csv", "metadata.jsonl")
SHOWN = 3


def _accepts(contents: SourceContents) -> bool:
    return bool(contents.config.labels) or any(_hugging_face(contents))


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    tables = [_given(contents)] if contents.config.labels else list(_hugging_face(contents))
    named = {table.file.path for table in tables}
    files = [file for file in contents.files if file.path not in named]
    images = [file for file in files if not has_sidecar_suffix(file.name)]
    labels: dict[str, tuple[str, str]] = {}  # by path: label and the word of the split
    matcher = NameMatcher([file.path for file in images])
    for table in tables:
        yield from [SourceNote(table.choice)] if table.choice else []
        yield from _match(table, matcher, labels)
    if not labels:
        raise _nothing_matches(tables, images)
    words = _split_words(labels)
    if any(table.split_column for table in tables):
        yield from words.notes()
    uses = words.uses()
    unlisted = []
    for file in images:
        if file.path in labels:
            label, split = labels[file.path]
            detail = f"its line in {tables[0].file.path} has no label"
            yield record(
                file, ImageLabel(label=label or None, split=uses.get(_split_word(file.path, split)), detail=detail)
            )
        elif is_image(file.name):
            unlisted.append(file.path)
            yield record(file, ImageLabel(detail=f"no line of {tables[0].file.path} names it"))
    yield from _unlisted_notes(unlisted, labels, tables)
    yield from sidecar_notes([file for file in files if has_sidecar_suffix(file.name)])


def _hugging_face(contents: SourceContents) -> Iterator[LabelTable]:
    """The tables of an `imagefolder` that have labels; captions and boxes leave the classes to the folders."""
    for file in contents.files:
        if file.name.lower() in METADATA:
            try:
                yield read_label_table(file, contents.config, required_file_column="file_name")
            except MissingColumnError:
                continue


def _split_words(labels: dict[str, tuple[str, str]]) -> SplitNames:
    """The words for splits of the images that have a label; a column's word counts before that of a folder."""
    words = SplitNames()
    for path, (label, split) in labels.items():
        if label:
            words.add(_split_word(path, split), 1, path)
            side, place = find_split(split), _side_of(path)
            words.clash = words.clash or (path if side and place and side != place else "")
    return words


def _split_word(path: str, split: str) -> str | None:
    return split or _side_of(path)


def _given(contents: SourceContents) -> LabelTable:
    """The table that `ingest.labels` names: a file of the source, else one elsewhere.

    What has no file elsewhere may lie deeper in the source, as tables do in an archive with one top folder.
    """
    config = contents.config
    wanted = config.labels.removeprefix("./")
    inside = [file for file in contents.files if file.path == wanted]
    if not inside and not is_s3_uri(wanted) and not Path(wanted).expanduser().exists():
        inside = [file for file in contents.files if file.path.endswith(f"/{wanted}")]
    if len(inside) > 1:
        paths = ", ".join(file.path for file in inside[:SHOWN])
        problem = f"ingest.labels is the name of {len(inside)} files of the source ({paths})"
        raise DataError(source=wanted, problem=problem, fix="Name one of them by its path in the source.")
    if inside:
        return read_label_table(inside[0], config)
    found = list_files(config.labels, "ingest.labels")
    last = config.labels.rstrip("/").rpartition("/")[2]
    if len(found) != 1 or not found[0].uri.endswith(last):  # a folder with one file is a folder as well
        raise DataError(
            source=config.labels, problem="ingest.labels must name one table of labels, and this is a folder",
            fix="Name a .csv, .tsv or .jsonl file, by its path in the source or anywhere else.",
        )  # fmt: skip
    same = (file for file in contents.files if file.uri == found[0].uri and not file.offset and not file.zipped_bytes)
    if (file := next(same, None)) is not None:
        return read_label_table(file, config)
    return read_label_table(found[0], config, outside=True)


def _match(table: LabelTable, matcher: NameMatcher, labels: dict[str, tuple[str, str]]) -> Iterator[SourceNote]:
    """Find the images that a table names, and put their labels where they belong.

    Raises:
        DataError: a line names several images, or two lines give an image different labels.
    """
    absent = []
    for line in table.lines:
        found = matcher.find(line.file, table.folder)
        if len(found) > 1 and (side := find_split(line.split) or find_split(table.file.name.partition(".")[0])):
            found = [path for path in found if _side_of(path) == side] or found  # trainLabels.csv is of train/
        if len(found) > 1:
            raise DataError(
                source=f"{table.file.path}, line {line.number}",
                problem=f"{line.file!r} is the name of {len(found)} images ({', '.join(found[:SHOWN])})",
                fix="Write their paths below the source into the table.",
            )
        if not found:
            absent.append(line)
            continue
        before = labels.setdefault(found[0], (line.label, line.split))
        if before[0] != line.label:
            raise DataError(
                source=f"{table.file.path}, line {line.number}",
                problem=f"{line.file!r} has the label {line.label!r} here and {before[0]!r} in a line before",
                fix="Keep one of the two lines.",
            )
    if absent and len(absent) < len(table.lines):
        first = ", ".join(f"{line.file} (line {line.number})" for line in absent[:SHOWN])
        yield SourceNote(f"{len(absent):,} of {len(table.lines):,} lines of {table.file.path} name no image: {first}.")


def _nothing_matches(tables: Sequence[LabelTable], images: Sequence[SourceFile]) -> DataError:
    table = tables[0]
    names = ", ".join(repr(line.file) for line in table.lines[:SHOWN])
    there = ", ".join(file.path for file in images[:SHOWN]) or "none"
    return DataError(
        source=table.file.path,
        problem=f"none of its {len(table.lines):,} lines names an image of the source. Its column "
        f"{table.file_column!r} holds {names}; the images are {there}",
        fix="Write paths below the source, or file names, into that column; ingest.image_column names another column.",
    )


def _side_of(path: str) -> str | None:
    """The split that one of the folders above an image stands for."""
    return next((side for part in path.split("/")[:-1] if (side := parse_split(part))), None)


def _unlisted_notes(
    unlisted: Sequence[str], labels: dict[str, tuple[str, str]], tables: Sequence[LabelTable]
) -> Iterator[SourceNote]:
    """Images that no line names; those of a split folder without any label are meant to be unlabelled."""
    if not unlisted:
        return
    labelled = {path.partition("/")[0] for path in labels}
    flat = Counter(path.partition("/")[0] for path in unlisted if "/" in path)
    aside = sum(rows for top, rows in flat.items() if top not in labelled and parse_split(top))
    first = ", ".join(unlisted[:SHOWN])
    where = ", ".join(table.file.path for table in tables[:SHOWN])
    text = f"Unlabelled, because no line of {where} names them: {counted(len(unlisted), 'image')}, such as {first}."
    yield SourceNote(text, set_aside=aside)


KIND = SourceKind(kind="labels", accepts=_accepts, index=_index, read=read_byte_ranges)
