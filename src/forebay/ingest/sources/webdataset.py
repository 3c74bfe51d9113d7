"""WebDataset: tars in which an image and its label share a name: `000123.jpg` and `000123.cls` or `000123.json`.

https://github.com/webdataset/webdataset: a sample is what has the same path up to the first dot of the file name. A
`.cls` file holds the class as text; a `.json` file holds it under one of `LABEL_KEYS`. The split stands in the name of
the tar (`train-000000.tar`).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.files.files import SourceFile, read_file
from forebay.ingest.image_index import ImageRecord
from forebay.ingest.labels.label_table import label_text
from forebay.ingest.labels.splits import parse_splits, split_roles
from forebay.ingest.layout import ImageLabel, is_image
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources.folder import record, sidecar_notes
from forebay.ingest.sources.source_kind import S3_THREADS, SourceContents, SourceKind, read_byte_ranges
from forebay.object_store import is_s3_uri
from forebay.settings import AUTO

CLS, JSON = ".cls", ".json"
LABEL_KEYS = ("label", "cls", "class", "class_name", "category", "target", "label_name")
MAX_LABEL_BYTES = 1 << 20
LOOKED_AT = 20  # descriptions, of which one must hold a label: some samples may be without
ORDER = (".jpg", ".jpeg", ".png", ".webp")  # of several images of a sample the first of these, else by name


def _accepts(contents: SourceContents) -> bool:
    if not contents.archives:
        return False
    if any(file.name.lower().endswith(CLS) for file in contents.files):
        return True
    folders = {file.path.rpartition("/")[0] for file in contents.files if is_image(file.name)}
    described = (
        file for file in contents.files if file.name.lower().endswith(JSON) and (file.offset or file.zipped_bytes)
    )
    return folders <= set(contents.archives) and any(
        _json_label(file, contents) for file in islice(described, LOOKED_AT)
    )


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord | SourceNote]:
    samples = _samples(contents.files)
    images = {key: image for key, files in samples.items() if (image := _image(files)) is not None}
    named = {key: _label_file(samples[key]) for key in images}
    labels = dict(zip(named, _in_parallel(lambda file: _label(file, contents), list(named.values())), strict=True))
    words = parse_splits({_shard(file) for file in images.values()})
    meanings = split_roles(words.values())
    for key, file in images.items():
        split = meanings.get(words.get(_shard(file), ""))
        detail = "no .cls file and no label in a .json file beside it"
        yield record(file, ImageLabel(label=labels[key], split=split, detail=detail))
    used = {id(file) for file in (*images.values(), *named.values()) if file is not None}
    yield from sidecar_notes([file for file in contents.files if id(file) not in used])


def _samples(files: Sequence[SourceFile]) -> dict[str, list[SourceFile]]:
    found: dict[str, list[SourceFile]] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        found.setdefault(f"{folder}/{name.partition('.')[0]}", []).append(file)
    return found


def _suffix(file: SourceFile) -> str:
    return file.name[file.name.find(".") :].lower()


def _image(files: Sequence[SourceFile]) -> SourceFile | None:
    images = {_suffix(file): file for file in files if is_image(file.name)}
    first = next((suffix for suffix in ORDER if suffix in images), min(images, default=""))
    return images.get(first)


def _label_file(files: Sequence[SourceFile]) -> SourceFile | None:
    suffixes = {_suffix(file): file for file in files}
    return suffixes.get(CLS) or suffixes.get(JSON)


def _in_parallel(
    label: Callable[[SourceFile | None], str | None], files: Sequence[SourceFile | None]
) -> Iterator[str | None]:
    """Labels in their order; a request to S3 waits for the network, not for a core."""
    if files and files[0] is not None and is_s3_uri(files[0].uri):
        with ThreadPoolExecutor(S3_THREADS) as pool:
            yield from pool.map(label, files)
    else:
        yield from map(label, files)


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
    """What the split may stand in: the archive, or the first folder."""
    return file.path.rpartition("/")[0].partition("/")[0] or Path(file.uri).name.partition(".")[0]


KIND = SourceKind(kind="webdataset", accepts=_accepts, index=_index, read=read_byte_ranges)
