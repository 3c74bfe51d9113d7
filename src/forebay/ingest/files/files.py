"""What lies behind a path or an `s3://` URI: names, sizes and bytes, with no heavy import.

Endpoint, region and credentials of S3 come from the environment only (`AWS_ENDPOINT_URL`, `AWS_REGION`,
`AWS_ACCESS_KEY_ID`, …; see boto3's own list).
"""

import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from forebay.errors import ConfigError
from forebay.object_store import is_s3_uri, list_objects, read_range

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SYSTEM_FILES = frozenset((
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",  # of file managers
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found",  # of network storage and Linux
    "$recycle.bin", "system volume information", "found.000", "recycler", "recycled",  # of Windows
    "network trash folder", "temporary items",  # of Apple's file server
    "__pycache__",
))  # fmt: skip  # in small letters; never classes or images


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A run of bytes with a name: a file, an object, or a member of an archive."""

    path: str  # inside the source, "/" between folders
    uri: str  # where the bytes lie: an absolute local path (as os.fsdecode gives it) or s3://bucket/key
    offset: int = 0  # of the first byte there, bytes; above 0 only inside an archive
    size: int  # bytes
    version: str = ""  # changes whenever the bytes may have
    problem: str = ""  # why it must not be read (a link in an archive, a device), else empty
    zipped_bytes: int = 0  # bytes that the member takes in its zip archive, from its header on; 0 elsewhere

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class SourceListing:
    """What can be seen behind a path; hidden files and what file managers leave behind are left out."""

    files: list[SourceFile]  # sorted by path
    empty_folders: list[str]  # paths inside the source of folders in which nothing lies, sorted

    @classmethod
    def of_visible(cls, files: Iterable[SourceFile], folders: Iterable[str]) -> "SourceListing":
        """The visible ones of some files and folders.

        Args:
            folders: paths of folders, those with files in them may be among them.
        """
        seen = sorted((file for file in files if is_visible(file.path)), key=lambda file: file.path)
        used: set[str] = set()
        for folder in {file.path.rpartition("/")[0] for file in seen}:
            while folder and folder not in used:
                used.add(folder)
                folder = folder.rpartition("/")[0]
        return cls(files=seen, empty_folders=sorted({path for path in folders if path and is_visible(path)} - used))


def list_files(data: str, key: str = "ingest.data") -> list[SourceFile]:
    """Every visible file behind a local path or `s3://` URI, sorted by path; see `list_source`."""
    return list_source(data, key).files


def list_source(data: str, key: str = "ingest.data") -> SourceListing:
    """What lies behind a local path or `s3://` URI. A path to one file gives that file.

    Args:
        key: the setting that holds it, for messages.

    Raises:
        ConfigError: there is nothing at the local path, another scheme, or S3 refuses; the message says what to do.
    """
    if is_s3_uri(data):
        found = list_objects(data, key)
        files = [
            SourceFile(path=each.path, uri=each.uri, size=each.size_bytes, version=each.etag)
            for each in found
            if not each.path.endswith("/")
        ]
        return SourceListing.of_visible(files, (each.path.rstrip("/") for each in found if each.path.endswith("/")))
    if "://" in data:
        raise ConfigError(f"{key} takes a local path or s3://bucket/prefix, got {data!r}")
    try:
        return _local_listing(Path(data).expanduser().absolute(), key)
    except OSError as error:
        raise ConfigError(f"{key}: {error}. Give a path whose files and folders you can read.") from error


def is_visible(path: str) -> bool:
    """Tell whether no part of the path is hidden or litter."""
    if path.lower().endswith("zone.identifier"):  # where Windows had a file from, as WSL and copies write it beside it
        return False
    parts = path.split("/")  # ".." in an archive counts as visible: it is refused, not passed over
    return not any((part.startswith(".") and part not in (".", "..")) or part.lower() in SYSTEM_FILES for part in parts)


def read_file(file: SourceFile) -> bytes:
    """All bytes of a file; a small one, such as a table of labels.

    Raises:
        OSError: it cannot be read.
        ValueError: it lies damaged in its archive.
    """
    from forebay.ingest.files.unzip import unzip_member

    data = read(file.uri, file.offset, file.zipped_bytes or file.size)
    return unzip_member(data, file.size) if file.zipped_bytes else data


def read(uri: str, offset: int, size: int) -> bytes:
    """The bytes from `offset`; fewer than `size` where the file ends before.

    Raises:
        OSError: it cannot be read (S3's refusals included).
    """
    if is_s3_uri(uri):
        return read_range(uri, offset, size)
    with LocalReader() as reader:
        return reader.read(uri, offset, size)


class LocalReader:
    """Reads ranges of local files and keeps the last one open: opening an archive once per member costs more than
    reading the member."""

    def __init__(self) -> None:
        self._uri = ""
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, uri: str, offset: int, size: int) -> bytes:
        """As `read`."""
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
    """A seekable, buffered view of the file's bytes, wherever they lie."""
    return cast(BinaryIO, io.BufferedReader(_RangeReader(file), buffer_size=1 << 20))


class _RangeReader(io.RawIOBase):
    """Reads a `SourceFile` by ranges."""

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
        data = read(self._file.uri, self._file.offset + self._position, size)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _local_listing(root: Path, key: str) -> SourceListing:
    if root.is_file():
        return SourceListing.of_visible([_local_file(root, root.name)], [])
    if root.is_dir():
        walked = [(folder, folder.relative_to(root).as_posix(), names) for folder, names in _walk(root, set())]
        files = [
            _local_file(folder / name, name if inside == "." else f"{inside}/{name}")
            for folder, inside, names in walked
            for name in names
        ]
        return SourceListing.of_visible(files, (printable(inside) for _, inside, _ in walked if inside != "."))
    if root.exists():
        raise ConfigError(f"{key}: {root} is neither a file nor a folder. Give a folder of images or an archive.")
    raise ConfigError(f"{key}: there is nothing at {root}. Give an existing file or folder, an s3:// URI, or digits.")


def _walk(folder: Path, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, list[str]]]:
    """Folders with the names of their files; links are followed, but no folder is entered twice (loops)."""
    status = folder.stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    names = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                yield from _walk(folder / entry.name, seen)
            else:
                names.append(entry.name)
    yield folder, names


def _local_file(path: Path, name: str) -> SourceFile:
    try:
        status = path.stat()
    except OSError as error:  # a dangling link: listed, so that it is quarantined by name and not passed over
        return SourceFile(path=printable(name), uri=str(path), size=0, problem=error.strerror or str(error))
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return SourceFile(path=printable(name), uri=str(path), size=0, problem="not a regular file")
    version = f"{status.st_mtime_ns}-{status.st_ctime_ns}"
    return SourceFile(path=printable(name), uri=str(path), size=status.st_size, version=version)


def printable(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 are shown as escapes (`uri` keeps the real name)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
