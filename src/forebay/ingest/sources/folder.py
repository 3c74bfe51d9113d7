"""Image folders: one sub-folder per class, on disk, in S3 or in a tar archive.

- A single common root such as `train/` is left out, however many stand above each other.
- Folders `train` and `test` (or `val`) above the class folders are the source's own split. Of three, `val` joins
  `train`: preprocess takes validation rows from the training rows by itself.
- The class is the first folder below; deeper folders belong to it.
- Every file of a class folder is taken for a picture. Outside of one, a picture is unlabelled and other files
  (a README, a list of classes) are passed over.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay.ingest.files import File
from forebay.ingest.index import Record
from forebay.ingest.sources.base import Source, read_ranges
from forebay.settings import IngestConfig

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff",
            ".ppm", ".pgm", ".pbm", ".pnm")  # fmt: skip
TRAIN = {"train", "training"}
VALIDATION = {"val", "valid", "validation"}
TEST = {"test", "testing"}


def _index(files: Sequence[File], work: Path, config: IngestConfig) -> Iterator[Record]:
    root = common_root([file.path for file in files])
    below = [_parts(file.path)[len(root) :] for file in files]
    splits = own_splits({parts[0] for parts in below if len(parts) > 2})
    for file, parts in zip(files, below, strict=True):
        split = splits.get(parts[0]) if len(parts) > 1 else None
        record = _record(file, parts[1:] if split else parts, split)
        if record is not None:
            yield record


def common_root(paths: Sequence[str]) -> tuple[str, ...]:
    """The folders above the class folders that every class shares."""
    folders = {_parts(folder) for folder in {path.rpartition("/")[0] for path in paths}} - {()}
    root: tuple[str, ...] = ()
    while True:
        inside = {parts[len(root) :] for parts in folders if len(parts) > len(root)}
        names = {parts[0] for parts in inside}
        if len(names) != 1 or all(len(parts) == 1 for parts in inside):
            return root
        root = (*root, *names)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)


def own_splits(folders: set[str]) -> dict[str, str]:
    """The split that each of the top folders stands for; empty unless they are a training and a test side."""
    lower = {name: name.lower() for name in folders}
    known = TRAIN | VALIDATION | TEST
    if not folders or not set(lower.values()) <= known or len(set(lower.values())) < 2:
        return {}
    held_out = TEST if TEST & set(lower.values()) else VALIDATION
    splits = {name: "test" if word in held_out else "train" for name, word in lower.items()}
    return splits if set(splits.values()) == {"train", "test"} else {}


def _record(file: File, parts: tuple[str, ...], split: str | None) -> Record | None:
    label = parts[0] if len(parts) > 1 else None
    if label is None and not file.name.lower().endswith(SUFFIXES):
        return None
    reason, detail = None, None
    if file.problem:
        reason, detail = "unreadable", file.problem
    elif label is None:
        reason, detail = "unlabelled", "outside every class folder"
    return Record(file.path, label, split, os.fsencode(file.uri), file.offset, file.size, reason=reason, detail=detail)


SOURCE = Source(kind="folder", accepts=lambda data, files: bool(files), index=_index, read=read_ranges)
