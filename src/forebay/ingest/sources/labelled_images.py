"""Images whose labels stand in a table: CSV, TSV or JSON lines with a column of files and one of labels.

`ingest.labels` names the table; a Hugging Face `imagefolder` brings it as `metadata.csv` or `metadata.jsonl` beside the
images. `forebay.ingest.labels.label_table` reads it; docs/data.md states the rules for people.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.listing import list_files
from forebay.ingest.files.suffixes import has_image_suffix, has_sidecar_suffix
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.labels.label_table import LabelTable, read_label_table
from forebay.ingest.labels.name_matcher import NameMatcher
from forebay.ingest.labels.split_names import SplitNames
from forebay.ingest.labels.splits import find_split, parse_split
from forebay.ingest.labels.table_columns import MissingColumnError
from forebay.ingest.labels.table_match import WrittenLabel, match_table, no_match_error, split_of_folders
from forebay.ingest.layout import ImageLabel
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.file_records import image_record, sidecar_notes
from forebay.ingest.sources.source_kind import SourceContents, SourceKind
from forebay.object_store import is_s3_uri
from forebay.text import count_noun

METADATA_FILES = ("metadata.csv", "metadata.jsonl")
NAMES_SHOWN = 3


def _accepts(contents: SourceContents) -> bool:
    return bool(contents.config.labels) or any(_hugging_face_tables(contents))


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    tables = [_named_table(contents)] if contents.config.labels else list(_hugging_face_tables(contents))
    table_paths = {table.file.path for table in tables}
    files = [file for file in contents.files if file.path not in table_paths]
    images = [file for file in files if not has_sidecar_suffix(file.name)]
    labels: dict[str, WrittenLabel] = {}  # by path
    matcher = NameMatcher([file.path for file in images])
    for table in tables:
        yield from [SourceNote(table.choice)] if table.choice else []
        yield from match_table(table, matcher, labels)
    if not labels:
        raise no_match_error(tables[0], images)
    names = _split_names(labels)
    if any(table.split_column for table in tables):
        yield from names.notes()
    roles = names.roles()
    unlisted = []
    for file in images:
        if file.path in labels:
            label, split = labels[file.path]
            reason = f"its line in {tables[0].file.path} has no label"
            role = roles.get(_split_name(file.path, split))
            yield image_record(file, ImageLabel(label=label or None, split=role, no_label_reason=reason))
        elif has_image_suffix(file.name):
            unlisted.append(file.path)
            yield image_record(file, ImageLabel(no_label_reason=f"no line of {tables[0].file.path} names it"))
    yield from _unlisted_notes(unlisted, labels, tables)
    yield from sidecar_notes([file for file in files if has_sidecar_suffix(file.name)])


def _hugging_face_tables(contents: SourceContents) -> Iterator[LabelTable]:
    """The tables of an `imagefolder` that have labels; captions and boxes leave the classes to the folders."""
    for file in contents.files:
        if file.name.lower() in METADATA_FILES:
            try:
                yield read_label_table(file, contents.config, required_file_column="file_name")
            except MissingColumnError:
                continue


def _named_table(contents: SourceContents) -> LabelTable:
    """The table that `ingest.labels` names: a file of the source, else one elsewhere.

    Where neither exists, the table may lie deeper in the source, as tables do in an archive with one top folder.
    """
    config = contents.config
    wanted = config.labels.removeprefix("./")
    inside = [file for file in contents.files if file.path == wanted]
    if not inside and not is_s3_uri(wanted) and not Path(wanted).expanduser().exists():
        inside = [file for file in contents.files if file.path.endswith(f"/{wanted}")]
    if len(inside) > 1:
        paths = ", ".join(file.path for file in inside[:NAMES_SHOWN])
        problem = f"ingest.labels is the name of {len(inside)} files of the source ({paths})"
        raise DataError(source=wanted, problem=problem, fix="Name one of them by its path in the source.")
    if inside:
        return read_label_table(inside[0], config)
    found = list_files(config.labels, "ingest.labels")
    last = config.labels.rstrip("/").rpartition("/")[2]
    if len(found) != 1 or not found[0].uri.endswith(last):  # a folder that holds one file is listed like a file
        raise DataError(
            source=config.labels, problem="ingest.labels must name one table of labels, and this is a folder",
            fix="Name a .csv, .tsv or .jsonl file, by its path in the source or anywhere else.",
        )  # fmt: skip
    same = (file for file in contents.files if file.uri == found[0].uri and not file.offset and not file.zipped_bytes)
    if (file := next(same, None)) is not None:
        return read_label_table(file, config)
    return read_label_table(found[0], config, outside=True)


def _split_names(labels: dict[str, WrittenLabel]) -> SplitNames:
    """The names of splits of the labelled images."""
    names = SplitNames()
    for path, (label, split) in labels.items():
        if label:
            names.add(_split_name(path, split), 1, path)
            written, above = find_split(split), split_of_folders(path)
            names.conflict = names.conflict or (path if written and above and written != above else "")
    return names


def _split_name(path: str, split: str) -> str | None:
    """The name of an image's split; what a column says counts before a folder's name."""
    return split or split_of_folders(path)


def _unlisted_notes(
    unlisted: Sequence[str], labels: dict[str, WrittenLabel], tables: Sequence[LabelTable]
) -> Iterator[SourceNote]:
    """A note on images that no line names; a split's folder without any label is meant to be unlabelled."""
    if not unlisted:
        return
    labelled = {path.partition("/")[0] for path in labels}
    counts = Counter(path.partition("/")[0] for path in unlisted if "/" in path)  # by top folder
    set_aside = sum(count for folder, count in counts.items() if folder not in labelled and parse_split(folder))
    first = ", ".join(unlisted[:NAMES_SHOWN])
    where = ", ".join(table.file.path for table in tables[:NAMES_SHOWN])
    text = f"Unlabelled, because no line of {where} names them: {count_noun(len(unlisted), 'image')}, such as {first}."
    yield SourceNote(text, set_aside=set_aside)


KIND = SourceKind(kind="labels", accepts=_accepts, index=_index, read=read_byte_ranges)
