"""The members of a zip archive."""

import contextlib
import stat
import zipfile
from collections.abc import Iterable

from forebay.ingest.archives.compressed import damaged_archive
from forebay.ingest.archives.member_path import member_path
from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile, SourceListing, printable
from forebay.ingest.files.unzip import DEFLATED, LOCAL_HEADER, STORED

ENCRYPTED, UTF8 = 1, 1 << 11  # flag bits
UNSUPPORTED_METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "ppmd"}
EXTRA_BYTES = 1 << 16  # most that a local header's name or extra field takes; the directory may state other lengths


def zip_members(archive: SourceFile) -> SourceListing:
    """List what a zip archive holds; members that must not be read carry a `problem`.

    Nothing is unpacked here: a member is unpacked when its image is read, to no more than its announced size.

    Raises:
        DataError: it is no zip, is damaged or cut off, or its members overlap (as those of a zip bomb do).
    """
    with open_file(archive) as stream:
        try:
            with zipfile.ZipFile(stream) as opened:
                members, end = opened.infolist(), opened.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, MemoryError) as error:
            raise damaged_archive(archive.path, f"not a whole zip archive ({error})") from error
    zipped_bytes = _member_extents(archive, members, end)
    files = [
        _zip_member(archive, member, zipped_bytes[member.header_offset]) for member in members if not _is_folder(member)
    ]
    return SourceListing.of_visible(files, (_path(member) for member in members if _is_folder(member)))


def _member_extents(archive: SourceFile, members: Iterable[zipfile.ZipInfo], end: int) -> dict[int, int]:
    """By offset of each member's header, how many bytes to read for that member.

    Args:
        archive: the archive, for messages.
        members: what its directory lists.
        end: offset of the directory, which follows the last member.

    Raises:
        DataError: two members overlap.
    """
    extents: dict[int, int] = {}
    for member in sorted(members, key=lambda member: member.header_offset, reverse=True):
        available = end - member.header_offset
        if available < LOCAL_HEADER.size + member.compress_size or member.header_offset in extents:
            raise damaged_archive(archive.path, f"its member {printable(member.filename)!r} overlaps another one")
        extents[member.header_offset] = min(available, LOCAL_HEADER.size + 2 * EXTRA_BYTES + member.compress_size)
        end = member.header_offset
    return extents


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or (member.filename.endswith("\\") and not member.file_size)


def _path(member: zipfile.ZipInfo) -> str:
    """The path inside the source. A name without the UTF-8 flag is in an old code page, but macOS writes UTF-8."""
    name = member.filename
    if not member.flag_bits & UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return member_path(name)


def _zip_member(archive: SourceFile, member: zipfile.ZipInfo, zipped_bytes: int) -> SourceFile:
    problem = _problem(member)
    return SourceFile(
        path=_path(member),
        uri=archive.uri,
        offset=archive.offset + member.header_offset,
        size=0 if problem else member.file_size,
        version=archive.version,
        problem=problem,
        zipped_bytes=zipped_bytes,
    )


def _problem(member: zipfile.ZipInfo) -> str:
    if ".." in _path(member).split("/"):
        return "its name leads outside the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, which is not followed"
    if member.flag_bits & ENCRYPTED:
        return "it is encrypted; pack the archive again without a password"
    if member.compress_type not in (STORED, DEFLATED):
        method = UNSUPPORTED_METHODS.get(member.compress_type, str(member.compress_type))
        return f"packed by the method {method}, which is not read; pack the archive again with the usual one (deflate)"
    return ""
