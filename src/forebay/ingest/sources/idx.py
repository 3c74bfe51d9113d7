"""IDX files under MNIST's names (`train-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`, also with `.gz`).

The format: two zero bytes, 0x08 for uint8, the number of dimensions, each as big-endian uint32, then the values
(http://yann.lecun.com/exdb/mnist/). Where the source has both, `train` and `t10k` are its split.
"""

import os
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from forebay.errors import DataError
from forebay.ingest.archives.compressed import decompress_file
from forebay.ingest.archives.magic import wrong_file_error
from forebay.ingest.archives.zip_content import seekable_file
from forebay.ingest.files.reading import read_bytes
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.sources.byte_ranges import read_byte_ranges
from forebay.ingest.sources.source_kind import SourceContents, SourceKind, complete_split, invalid_file

FILE_NAME = re.compile(r"(?P<part>train|t10k|test)-(?P<role>images|labels)[-.]idx[13]-ubyte(\.gz)?")
UINT8 = 0x08


class IdxHeader(NamedTuple):
    """The header of an IDX file."""

    shape: tuple[int, ...]
    data_offset: int  # bytes


def _accepts(contents: SourceContents) -> bool:
    return any(FILE_NAME.fullmatch(file.name) for file in contents.files)


def _index(contents: SourceContents, work: Path) -> Iterator[ImageRecord]:
    pairs = _pairs(contents.files)
    present = {_split(part) for part in pairs}
    for part, pair in sorted(pairs.items()):
        yield from _records(pair, work, complete_split(_split(part), present))


def _split(part: str) -> str:
    return "train" if part == "train" else "test"


def _pairs(files: Sequence[SourceFile]) -> dict[str, tuple[SourceFile, SourceFile]]:
    """The files of images and of labels by part: train, t10k or test."""
    found: dict[tuple[str, str], SourceFile] = {}
    for file in sorted(files, key=_is_gzip, reverse=True):  # the unpacked file comes last and wins over its .gz
        match = FILE_NAME.fullmatch(file.name)
        if match:
            found[match["part"], match["role"]] = file
    for part, role in found:
        other = "labels" if role == "images" else "images"
        if (part, other) not in found:
            raise DataError(
                source=found[part, role].path,
                problem=f"there is no {part}-{other} file beside it",
                fix="IDX images and labels come in pairs: give the folder that holds both.",
            )
    return {part: (found[part, "images"], found[part, "labels"]) for part, role in found if role == "images"}


def _is_gzip(file: SourceFile) -> bool:
    return file.name.lower().endswith(".gz")


def _decompressed(file: SourceFile, work: Path) -> SourceFile:
    file = seekable_file(file, work)
    return decompress_file(file, work) if _is_gzip(file) else file


def _records(pair: tuple[SourceFile, SourceFile], work: Path, split: str | None) -> Iterator[ImageRecord]:
    images, labels = (_decompressed(file, work) for file in pair)
    image_header, label_header = read_idx_header(images, dimensions=3), read_idx_header(labels, dimensions=1)
    rows, height, width = image_header.shape
    path = pair[0].path
    if rows != label_header.shape[0]:
        raise invalid_file(pair[1], f"it holds {label_header.shape[0]} labels and {path} holds {rows} images")
    start, size, uri = images.offset + image_header.data_offset, height * width, os.fsencode(images.uri)
    for row, label in enumerate(read_bytes(labels.uri, labels.offset + label_header.data_offset, rows)):
        yield ImageRecord(f"{path}#{row:08d}", str(label), split, uri, start + row * size, size, height, width, 1)


def read_idx_header(file: SourceFile, *, dimensions: int) -> IdxHeader:
    """Read and check the header of an IDX file of uint8 values.

    Raises:
        DataError: another magic number, another type, or a length that does not fit the file.
    """
    data_offset = 4 + 4 * dimensions
    data = read_bytes(file.uri, file.offset, min(data_offset, file.size))
    if len(data) < data_offset:
        raise invalid_file(file, f"it ends after {len(data)} bytes, inside the header")
    if data[:4] != bytes([0, 0, UINT8, dimensions]):
        raise wrong_file_error(file) or invalid_file(
            file, f"its magic number is 0x{data[:4].hex()}, not 0x0000080{dimensions} (IDX, uint8)"
        )
    shape = struct.unpack(f">{dimensions}I", data[4:])
    values = 1
    for length in shape:
        values *= length
    if values == 0 or values != file.size - data_offset:
        raise invalid_file(file, f"its header says {'x'.join(map(str, shape))} bytes, {file.size - data_offset} follow")
    return IdxHeader(shape, data_offset)


KIND = SourceKind(kind="idx", accepts=_accepts, index=_index, read=read_byte_ranges)
