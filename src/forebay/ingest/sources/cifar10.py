"""CIFAR-10's binary format (`data_batch_1.bin` … `test_batch.bin`, `batches.meta.txt`), read by our own reader.

A row is one label byte and 3 x 32 x 32 pixel bytes, plane by plane (https://www.cs.toronto.edu/~kriz/cifar.html).
The Python form is refused: it is a pickle, and opening a pickle runs whatever code it holds.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.archives.magic import wrong_file_error
from forebay.ingest.archives.zip_content import seekable_file
from forebay.ingest.files.reading import read_bytes, read_file
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.source_kind import SourceContents, SourceKind, complete_split, invalid_file

BINARY = re.compile(r"(data_batch_\d+|test_batch)\.bin")
PICKLED = re.compile(r"data_batch_\d+|test_batch|batches\.meta")
CLASS_NAMES = "batches.meta.txt"
SIDE, CHANNELS = 32, 3
PIXEL_BYTES = SIDE * SIDE * CHANNELS
ROW_BYTES = 1 + PIXEL_BYTES
ROWS_PER_READ = 4096


def _accepts(contents: SourceContents) -> bool:
    names = [file.name for file in contents.files]
    return any(BINARY.fullmatch(name) or PICKLED.fullmatch(name) for name in names)


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord]:
    files = contents.files
    batches = [seekable_file(file, work) for file in files if BINARY.fullmatch(file.name)]
    if not batches:
        raise DataError(
            source=files[0].path,
            problem="this is the Python form of CIFAR-10, a pickle, which could run any code when it is opened",
            fix="Get the binary form, cifar-10-binary.tar.gz, and give that file or its folder cifar-10-batches-bin.",
        )
    names = _class_names(files)
    present = {_split(file) for file in batches}
    for file in batches:
        yield from _records(file, names, complete_split(_split(file), present))


def _split(file: SourceFile) -> str:
    return "test" if file.name.startswith("test") else "train"


def _class_names(files: Sequence[SourceFile]) -> list[str]:
    """The class names in label order; numbers where the file of names is missing."""
    for file in files:
        if file.name == CLASS_NAMES:
            if not file.zipped_bytes and (error := wrong_file_error(file)) is not None:
                raise error
            return read_file(file).decode("utf-8", "replace").split()
    return [str(number) for number in range(10)]


def _records(file: SourceFile, names: Sequence[str], split: str | None) -> Iterator[ImageRecord]:
    if file.size == 0 or file.size % ROW_BYTES:
        raise wrong_file_error(file) or invalid_file(
            file, f"its {file.size} bytes are not whole rows of {ROW_BYTES} bytes"
        )
    uri = os.fsencode(file.uri)
    for row, label in enumerate(_labels(file)):
        start = file.offset + row * ROW_BYTES + 1
        known = label < len(names)
        yield ImageRecord(
            f"{file.path}#{row:08d}", names[label] if known else None, split, uri, start, PIXEL_BYTES,
            SIDE, SIDE, CHANNELS, planar=True,
            reason=None if known else "unlabelled",
            detail=None if known else f"label {label}, but there are {len(names)} class names",
        )  # fmt: skip


def _labels(file: SourceFile) -> Iterator[int]:
    step = ROWS_PER_READ * ROW_BYTES
    for start in range(0, file.size, step):
        yield from read_bytes(file.uri, file.offset + start, min(step, file.size - start))[::ROW_BYTES]


KIND = SourceKind(kind="cifar10", accepts=_accepts, index=_index, read=read_byte_ranges)
