"""Reads the bytes of a source's files, on disk, in S3 or in an archive."""

import io
import os
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.unzip import unzip_member
from forebay.object_store import is_s3_uri, read_range

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


def read_file(file: SourceFile) -> bytes:
    """Read all bytes of a file that fits into memory, such as a table of labels.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged in its archive.
    """
    data = read_bytes(file.uri, file.offset, file.zipped_bytes or file.size)
    return unzip_member(data, file.size) if file.zipped_bytes else data


def read_bytes(uri: str, offset: int, size: int) -> bytes:
    """Read bytes from `offset` on; fewer than `size` where the file ends before.

    Raises:
        OSError: it cannot be read, or S3 refuses.
    """
    if is_s3_uri(uri):
        return read_range(uri, offset, size)
    with LocalReader() as reader:
        return reader.read(uri, offset, size)


class LocalReader:
    """Reads ranges of local files and keeps the last file open.

    To open an archive once per member would cost more than to read the member.
    """

    def __init__(self) -> None:
        self._uri = ""
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, uri: str, offset: int, size: int) -> bytes:
        """As `read_bytes`."""
        if uri != self._uri:
            self._close()
            self._descriptor = os.open(uri, os.O_RDONLY | os.O_CLOEXEC)
            self._uri = uri
        return os.pread(self._descriptor, size, offset)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._uri, self._descriptor = "", -1


def open_file(file: SourceFile) -> BinaryIO:
    """Open a file as a seekable, buffered stream, wherever its bytes lie."""
    return cast(BinaryIO, io.BufferedReader(_RangeReader(file), buffer_size=1 << 20))


class _RangeReader(io.RawIOBase):
    """An unbuffered stream that reads a `SourceFile` by ranges."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self._file.path}: seek to {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        size = max(0, min(len(view), self._file.size - self._position))
        data = read_bytes(self._file.uri, self._file.offset + self._position, size)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
