"""WebDataset: tars in which an image and its label share a name: `000123.jpg` and `000123.cls` or `000123.json`.

https://github.com/webdataset/webdataset: the files of a sample have the same path up to the first dot of the file
name. A `.cls` file holds the class as text; a `.json` file holds it under one of `LABEL_KEYS`. The name of the tar
holds the split (`train-000000.tar`).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.reading import read_file
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.suffixes import has_image_suffix
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.labels.label_text import label_text
from forebay.ingest.labels.splits import parse_splits, split_roles
from forebay.ingest.layout import ImageLabel
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.byte_ranges import S3_THREADS, read_byte_ranges
from forebay.ingest.sources.file_records import image_record, sidecar_notes
from forebay.ingest.sources.source_kind import SourceContents, SourceKind
from forebay.object_store import is_s3_uri
from forebay.settings import AUTO

CLS, JSON = ".cls", ".json"
LABEL_KEYS = ("label", "cls", "class", "class_name", "category", "target", "label_name")
MAX_LABEL_BYTES = 1 << 20
MAX_JSON_TRIED = 20  # files, of which one must hold a label: some samples may be without
PREFERRED_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")  # where a sample has several images; else by name


def _accepts(contents: SourceContents) -> bool:
    if not contents.archives:
        return False
    if any(file.name.lower().endswith(CLS) for file in contents.files):
        return True
    folders = {file.path.rpartition("/")[0] for file in contents.files if has_image_suffix(file.name)}
    json_files = (
        file for file in contents.files if file.name.lower().endswith(JSON) and (file.offset or file.zipped_bytes)
    )
    return folders <= set(contents.archives) and any(
        _json_label(file, contents) for file in islice(json_files, MAX_JSON_TRIED)
    )


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    samples = _samples(contents.files)
    images = {key: image for key, files in samples.items() if (image := _image(files)) is not None}
    label_files = {key: _label_file(samples[key]) for key in images}
    found = _in_parallel(lambda file: _label(file, contents), list(label_files.values()))
    labels = dict(zip(label_files, found, strict=True))
    splits = parse_splits({_shard(file) for file in images.values()})
    roles = split_roles(splits.values())
    reason = "no .cls file and no label in a .json file beside it"
    for key, file in images.items():
        split = roles.get(splits.get(_shard(file), ""))
        yield image_record(file, ImageLabel(label=labels[key], split=split, no_label_reason=reason))
    used = {id(file) for file in (*images.values(), *label_files.values()) if file is not None}
    yield from sidecar_notes([file for file in contents.files if id(file) not in used])


def _samples(files: Sequence[SourceFile]) -> dict[str, list[SourceFile]]:
    """The files of each sample, by its key."""
    samples: dict[str, list[SourceFile]] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        samples.setdefault(f"{folder}/{name.partition('.')[0]}", []).append(file)
    return samples


def _suffix(file: SourceFile) -> str:
    return file.name[file.name.find(".") :].lower()


def _image(files: Sequence[SourceFile]) -> SourceFile | None:
    by_suffix = {_suffix(file): file for file in files if has_image_suffix(file.name)}
    suffix = next((suffix for suffix in PREFERRED_SUFFIXES if suffix in by_suffix), min(by_suffix, default=""))
    return by_suffix.get(suffix)


def _label_file(files: Sequence[SourceFile]) -> SourceFile | None:
    by_suffix = {_suffix(file): file for file in files}
    return by_suffix.get(CLS) or by_suffix.get(JSON)


def _in_parallel(
    read_label: Callable[[SourceFile | None], str | None], files: Sequence[SourceFile | None]
) -> Iterator[str | None]:
    """Read labels in the order of their files; a request to S3 waits for the network, not for a core."""
    if files and files[0] is not None and is_s3_uri(files[0].uri):
        with ThreadPoolExecutor(S3_THREADS) as pool:
            yield from pool.map(read_label, files)
    else:
        yield from map(read_label, files)


def _label(file: SourceFile | None, contents: SourceContents) -> str | None:
    if file is None or file.problem:
        return None
    if file.name.lower().endswith(JSON):
        return _json_label(file, contents)
    return label_text(_content(file).decode("utf-8", "replace").strip()) or None


def _json_label(file: SourceFile, contents: SourceContents) -> str | None:
    try:
        facts = json.loads(_content(file))
    except ValueError as error:
        raise DataError(source=file.path, problem=f"not JSON ({error})", fix="Write the shard again.") from error
    wanted = contents.config.label_column
    keys = LABEL_KEYS if wanted == AUTO else (wanted,)
    value = next((facts[key] for key in keys if isinstance(facts, dict) and key in facts), None)
    return None if isinstance(value, dict | list | None) else label_text(str(value).strip()) or None


def _content(file: SourceFile) -> bytes:
    if file.size > MAX_LABEL_BYTES:
        raise DataError(
            source=file.path, problem=f"{file.size} bytes of label, at most {MAX_LABEL_BYTES} are read",
            fix="Write the shard again.",
        )  # fmt: skip
    return read_file(file)


def _shard(file: SourceFile) -> str:
    """The name that may hold the split: that of the archive, or of the first folder."""
    return file.path.rpartition("/")[0].partition("/")[0] or Path(file.uri).name.partition(".")[0]


KIND = SourceKind(kind="webdataset", accepts=_accepts, index=_index, read=read_byte_ranges)
