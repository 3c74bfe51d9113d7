"""A compressed file, decompressed into the step's own work folder."""

import hashlib
import shutil
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.archives.magic import DECOMPRESSORS, GZIP, STREAM_ERRORS, ByteStream, wrong_file_error
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile

CHUNK_BYTES = 1 << 20
SUFFIXES = (".gz", ".bz2", ".xz")
REPACK_ADVICE = "Get the file again, or pack it again."


def decompress_file(packed: SourceFile, work: Path, kind: str = GZIP) -> SourceFile:
    """Decompress a file into the work folder.

    Args:
        packed: the compressed file.
        work: where to put its content.
        kind: gzip, bzip2 or xz.

    Raises:
        DataError: it is no such file, is damaged or cut off, or its content needs more space than the disk has.
    """
    if (error := wrong_file_error(packed)) is not None:
        raise error
    limit = shutil.disk_usage(work).free * 9 // 10
    size = 0
    target = unpacked_path(packed, work)
    with open_file(packed) as raw, target.open("wb") as out:
        stream = DECOMPRESSORS[kind](raw)
        while chunk := _read_chunk(packed.path, kind, stream):
            size += len(chunk)
            if size > limit:
                problem = f"it unpacks to more than {limit} bytes, the space left in {work}"
                raise damaged_archive(packed.path, problem)
            out.write(chunk)
    path = packed.path
    for suffix in SUFFIXES:
        path = path.removesuffix(suffix)
    return SourceFile(path=path, uri=str(target), size=size, version=packed.version)


def unpacked_path(packed: SourceFile, work: Path) -> Path:
    """Where a file's content goes. The index is sorted by this address, so a random name would change the result."""
    return work / f"unpacked-{hashlib.sha256(packed.path.encode()).hexdigest()[:16]}"


def damaged_archive(path: str, problem: str) -> DataError:
    """The error for a compressed file or an archive that must be fetched or packed again."""
    return DataError(source=path, problem=problem, fix=REPACK_ADVICE)


def _read_chunk(path: str, kind: str, stream: ByteStream) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except STREAM_ERRORS as error:
        raise damaged_archive(path, f"not a whole {kind} file ({error})") from error
