"""A compressed file, unpacked into the step's own work folder."""

import hashlib
import shutil
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.archives.magic import DECOMPRESSORS, GZIP, STREAM_ERRORS, ByteStream, wrong_file_error
from forebay.ingest.files.files import SourceFile, open_file

CHUNK_BYTES = 1 << 20
SUFFIXES = (".gz", ".bz2", ".xz")
REPACK_ADVICE = "Get the file again, or pack it again."


def decompress_file(packed: SourceFile, work: Path, kind: str = GZIP) -> SourceFile:
    """The content of a compressed file, as a file of the work folder.

    Args:
        kind: gzip, bzip2 or xz.

    Raises:
        DataError: it is no such file, is damaged or cut off, or unpacks to more than the disk can take.
    """
    if (error := wrong_file_error(packed)) is not None:
        raise error
    limit = shutil.disk_usage(work).free * 9 // 10
    size = 0
    # Named after its path: the index is sorted by address, so a name by chance would give other files each time.
    unpacked = work / f"unpacked-{hashlib.sha256(packed.path.encode()).hexdigest()[:16]}"
    with open_file(packed) as raw, unpacked.open("wb") as target:
        stream = DECOMPRESSORS[kind](raw)
        while chunk := _chunk(packed.path, kind, stream):
            size += len(chunk)
            if size > limit:
                problem = f"it unpacks to more than {limit} bytes, the space left in {work}"
                raise DataError(source=packed.path, problem=problem, fix=REPACK_ADVICE)
            target.write(chunk)
    path = packed.path
    for suffix in SUFFIXES:
        path = path.removesuffix(suffix)
    return SourceFile(path=path, uri=str(unpacked), size=size, version=packed.version)


def _chunk(path: str, kind: str, stream: ByteStream) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except STREAM_ERRORS as error:
        raise DataError(source=path, problem=f"not a whole {kind} file ({error})", fix=REPACK_ADVICE) from error
