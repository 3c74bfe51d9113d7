"""What kind of file it is, told from its first bytes."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from forebay.errors import DataError
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile


class ByteStream(Protocol):
    """The decompressed bytes of a compressed file."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; empty at the end."""


HEAD_BYTES = 512  # enough to tell every kind; the size of a tar header
TAR, ZIP, GZIP, BZIP2, XZ = "tar", "zip", "gzip", "bzip2", "xz"
DECOMPRESSORS: dict[str, Callable[[BinaryIO], ByteStream]] = {
    GZIP: lambda stream: gzip.GzipFile(fileobj=stream),
    BZIP2: bz2.BZ2File,
    XZ: lzma.LZMAFile,
}
STREAM_ERRORS = (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError)
_MAGIC = (
    (b"\x1f\x8b", GZIP),
    (b"BZh", BZIP2),
    (b"\xfd7zXZ\x00", XZ),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
)
_UNSUPPORTED = (
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file that it stands for"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x80\x04", "a pickle"),
)


def read_head(file: SourceFile) -> bytes:
    """The first bytes of a file."""
    with open_file(file) as stream:
        return stream.read(HEAD_BYTES)


def read_decompressed_head(file: SourceFile, kind: str) -> bytes:
    """The first bytes of what a compressed file holds; empty where it is damaged from the start."""
    with open_file(file) as raw:
        try:
            return DECOMPRESSORS[kind](raw).read(HEAD_BYTES)
        except STREAM_ERRORS:
            return b""


def archive_kind(head: bytes) -> str:
    """The kind of archive or compression that begins with these bytes; empty where Forebay reads no such kind."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    return TAR if _is_tar(head) else ""


def describe_unsupported(head: bytes) -> str:
    """What begins with these bytes, where people take it for a data file and Forebay does not read it; else empty."""
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, such as one that asks for a login"
    return next((name for magic, name in _UNSUPPORTED if head.startswith(magic)), "")


def wrong_file_error(file: SourceFile) -> DataError | None:
    """The error for a file that people take for a data file, such as a Git LFS pointer; None for any other file."""
    found = describe_unsupported(read_head(file))
    return DataError(source=file.path, problem=f"it is {found}", fix=refetch_advice(found)) if found else None


def refetch_advice(found: str, otherwise: str = "Get the file again.") -> str:
    """What to do about a file that is what `describe_unsupported` says."""
    return "Run `git lfs pull` in its folder." if "LFS" in found else otherwise


def _is_tar(head: bytes) -> bool:
    if len(head) < HEAD_BYTES:
        return False
    if head == bytes(HEAD_BYTES):
        return True  # an empty tar holds nothing but zeros
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
