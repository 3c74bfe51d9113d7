"""Archives are read in place: nothing is extracted under a name that the archive chose.

Members are addressed by their offset. Only a compressed file is unpacked, into one file of the step's own
work folder, because a gzip stream cannot be read from the middle.
"""

import gzip
import hashlib
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from forebay.errors import DataError
from forebay.ingest.files import File, is_visible, open_file, printable

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
BLOCK = 512  # bytes, of the tar format
CHUNK = 1 << 20
EXTENSION_BYTES = 1 << 20  # of one header's long name or PAX attributes
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


def is_tar(file: File) -> bool:
    """Tell a tar archive by its name."""
    return file.name.lower().endswith(TAR_SUFFIXES)


def is_gzip(file: File) -> bool:
    """Tell a gzip file by its name."""
    return file.name.lower().endswith((".gz", ".tgz"))


def members(archive: File, work: Path) -> list[File]:
    """The visible members of a tar archive, sorted by path; those that must not be read carry a `problem`.

    Args:
        archive: a tar, or a gzip file of one.
        work: folder for the unpacked bytes of a gzip file.

    Raises:
        DataError: it is no tar, is damaged, or was cut off.
    """
    plain = unpack(archive, work) if is_gzip(archive) else archive
    with open_file(plain) as stream:
        found = [
            _member(plain, info)
            for info in _headers(archive.path, stream)
            if not info.isdir() and is_visible(info.name)
        ]
    return sorted(found, key=lambda file: file.path)


def unpack(packed: File, work: Path) -> File:
    """The content of a gzip file, as a file of the work folder.

    Raises:
        DataError: it is no gzip file, is damaged or cut off, or unpacks to more than the disk can take.
    """
    limit = shutil.disk_usage(work).free * 9 // 10
    size = 0
    # Named after its path: the index is sorted by address, so a name by chance would give other files each time.
    unpacked = work / f"unpacked-{hashlib.sha256(packed.path.encode()).hexdigest()[:16]}"
    try:
        with (
            open_file(packed) as raw,
            gzip.GzipFile(fileobj=raw) as stream,
            unpacked.open("wb") as target,
        ):
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise _damaged(packed.path, f"it unpacks to more than {limit} bytes, the space left in {work}")
                target.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(packed.path, f"not a whole gzip file ({error})") from error
    path = packed.path.removesuffix(".gz")
    return File(path=path, uri=str(unpacked), size=size, version=packed.version)


class _Headers(tarfile.TarInfo):
    """Headers whose long names and attributes, which tarfile reads whole into memory, have a sane size."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > EXTENSION_BYTES:
            raise tarfile.ReadError(f"a header claims {self.size} bytes of names and attributes")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]


def _headers(archive: str, stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Every member's header; the archive must end in the mark that a complete one has."""
    try:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=_Headers) as tar:
            end = -1
            while (info := tar.next()) is not None:
                if info.size < 0 or tar.offset <= end:  # a negative size would send tarfile round in circles
                    raise tarfile.ReadError(f"member {info.name!r} has an impossible size")
                end = tar.offset
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header of a large archive
                yield info
            stream.seek(tar.offset)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise _damaged(archive, f"not a whole tar archive ({error})") from error
    if stream.read(BLOCK) != bytes(BLOCK):
        raise _damaged(archive, f"it breaks off or is damaged at byte {tar.offset}, before the end-of-archive mark")


def _member(archive: File, info: tarfile.TarInfo) -> File:
    problem = _problem(info)
    return File(
        path=printable("/".join(part for part in info.name.split("/") if part != ".")),
        uri=archive.uri,
        offset=archive.offset + info.offset_data,
        size=0 if problem else info.size,
        version=archive.version,
        problem=problem,
    )


def _problem(info: tarfile.TarInfo) -> str:
    if info.name.startswith("/") or ".." in info.name.split("/"):
        return "its name leads outside the archive"
    if info.issym() or info.islnk():
        return f"a link (to {printable(info.linkname)}), which is not followed"
    if not info.isreg() or info.sparse is not None:
        return f"not a plain file (tar type {stat.filemode(info.mode)} {info.type!r})"
    return ""


def _damaged(path: str, problem: str) -> DataError:
    return DataError(source=path, problem=problem, fix="Get the file again, or pack it again.")
