"""The content of a zip member as a file that can be read from any offset."""

import zlib
from dataclasses import replace
from pathlib import Path

from forebay.ingest.archives.compressed import CHUNK_BYTES, damaged_archive, unpacked_path
from forebay.ingest.files.reading import open_file, read_bytes
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.unzip import LOCAL_HEADER, STORED


def seekable_file(file: SourceFile, work: Path) -> SourceFile:
    """Make the bytes of a file readable from any offset.

    Args:
        file: any file, or a member of a zip archive.
        work: folder for the unpacked bytes of a compressed member.

    Returns:
        The file itself, the bytes of a stored member where they lie in the archive, or an unpacked copy.

    Raises:
        DataError: the member is damaged, or larger than announced.
    """
    if not file.zipped_bytes:
        return file
    if file.problem:
        raise damaged_archive(file.path, file.problem)
    header = read_bytes(file.uri, file.offset, LOCAL_HEADER.size)
    _, _, _, method, *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
    header_bytes = LOCAL_HEADER.size + name_bytes + extra_bytes
    packed = replace(file, offset=file.offset + header_bytes, zipped_bytes=0)
    if method == STORED:
        return packed
    target = unpacked_path(file, work)
    _inflate(replace(packed, size=file.zipped_bytes - header_bytes), target, file.size)
    return SourceFile(path=file.path, uri=str(target), size=file.size, version=file.version)


def _inflate(packed: SourceFile, target: Path, size: int) -> None:
    inflater, written = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with open_file(packed) as stream, target.open("wb") as out:
        while not inflater.eof and (chunk := stream.read(CHUNK_BYTES)):
            try:
                content = inflater.decompress(chunk)  # at most some thousand times as large as the chunk
            except zlib.error as error:
                raise damaged_archive(packed.path, f"its zip member is damaged ({error})") from error
            written += out.write(content)
            if written > size:
                break
    if written != size or not inflater.eof:
        raise damaged_archive(packed.path, f"its zip member does not have the {size} bytes that are announced")
