"""The members of a tar archive."""

import stat
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from forebay.ingest.archives.compressed import damaged_archive
from forebay.ingest.archives.member_path import member_path
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile, SourceListing, printable

BLOCK_BYTES = 512  # the unit of the tar format
MAX_EXTENSION_BYTES = 1 << 20  # one header's long name or PAX attributes may take this many
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


def tar_members(archive: SourceFile) -> SourceListing:
    """List what a tar archive holds; members that must not be read carry a `problem`.

    Raises:
        DataError: it is no tar, is damaged, or was cut off.
    """
    files: list[SourceFile] = []
    folders: list[str] = []
    links: dict[int, str] = {}  # by position in `files`: the member whose bytes a hard link shares
    with open_file(archive) as stream:
        for info in _headers(archive.path, stream):
            if info.isdir():
                folders.append(member_path(info.name))
                continue
            if info.islnk():
                links[len(files)] = member_path(info.linkname)
            files.append(_tar_member(archive, info))
    if links:
        _resolve_hard_links(links, files)
    return SourceListing.of_visible(files, folders)


def _resolve_hard_links(links: dict[int, str], files: list[SourceFile]) -> None:
    """Give hard links the bytes of the member that they name, which lies before them in the archive."""
    members = {file.path: position for position, file in enumerate(files) if position not in links}
    for position, target in links.items():
        link = files[position]
        if link.problem:
            continue
        if target in members:
            files[position] = replace(files[members[target]], path=link.path)
            members[link.path] = position
        else:
            files[position] = replace(link, problem=f"a hard link to {target}, which the archive does not hold")


class _BoundedTarInfo(tarfile.TarInfo):
    """A header that bounds its long name and attributes, which tarfile reads whole into memory."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > MAX_EXTENSION_BYTES:
            raise tarfile.ReadError(f"a header claims {self.size} bytes of names and attributes")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]


def _headers(archive: str, stream: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Read every member's header, and check for the end-of-archive mark, which an archive that was cut off lacks."""
    try:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=_BoundedTarInfo) as tar:
            end = -1
            while (info := tar.next()) is not None:
                if info.size < 0 or tar.offset <= end:  # a negative size would make tarfile loop for ever
                    raise tarfile.ReadError(f"member {info.name!r} has an impossible size")
                end = tar.offset
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header of a large archive
                yield info
            stream.seek(tar.offset)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise damaged_archive(archive, f"not a whole tar archive ({error})") from error
    if stream.read(BLOCK_BYTES) != bytes(BLOCK_BYTES):
        raise damaged_archive(
            archive, f"it breaks off or is damaged at byte {tar.offset}, before the end-of-archive mark"
        )


def _tar_member(archive: SourceFile, info: tarfile.TarInfo) -> SourceFile:
    problem = _problem(info)
    return SourceFile(
        path=member_path(info.name),
        uri=archive.uri,
        offset=archive.offset + info.offset_data,
        size=0 if problem else info.size,
        version=archive.version,
        problem=problem,
    )


def _problem(info: tarfile.TarInfo) -> str:
    if ".." in member_path(info.name).split("/"):
        return "its name leads outside the archive"
    if info.islnk():
        return ""  # its bytes are those of another member
    if info.issym():
        return f"a link (to {printable(info.linkname)}), which is not followed"
    if not info.isreg() or info.sparse is not None:
        return f"not a plain file (tar type {stat.filemode(info.mode)} {info.type!r})"
    return ""
