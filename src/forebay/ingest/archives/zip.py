"""The members of a zip archive."""

import contextlib
import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.archives.compressed import CHUNK_BYTES, REPACK_ADVICE
from forebay.ingest.archives.member_path import member_path
from forebay.ingest.files.files import SourceFile, SourceListing, open_file, printable, read
from forebay.ingest.files.unzip import DEFLATED, LOCAL_HEADER, STORED

ENCRYPTED, UTF8 = 1, 1 << 11  # flags
METHODS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz", 98: "ppmd"}  # that are not read
EXTRA_BYTES = 1 << 16  # at most, of a local header; the directory's own extra field may be another


def zip_members(archive: SourceFile) -> SourceListing:
    """What a zip archive holds; members that must not be read carry a `problem`.

    Nothing is unpacked here: a member is unpacked when its image is read, to no more than its announced size.

    Raises:
        DataError: it is no zip, is damaged or cut off, or its members overlap (as those of a zip bomb do).
    """
    with open_file(archive) as stream:
        try:
            with zipfile.ZipFile(stream) as opened:
                members, end = opened.infolist(), opened.start_dir
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, MemoryError) as error:
            raise DataError(
                source=archive.path, problem=f"not a whole zip archive ({error})", fix=REPACK_ADVICE
            ) from error
    room = _member_extents(archive, members, end)
    files = [_file(archive, member, room[member.header_offset]) for member in members if not _is_folder(member)]
    return SourceListing.of_visible(files, (_path(member) for member in members if _is_folder(member)))


def _member_extents(archive: SourceFile, members: Iterable[zipfile.ZipInfo], end: int) -> dict[int, int]:
    """How many bytes lie between each member's header and what comes next, by offset."""
    rooms: dict[int, int] = {}
    for member in sorted(members, key=lambda member: member.header_offset, reverse=True):
        room = end - member.header_offset
        if room < LOCAL_HEADER.size + member.compress_size or member.header_offset in rooms:
            problem = f"its member {printable(member.filename)!r} overlaps another one"
            raise DataError(source=archive.path, problem=problem, fix=REPACK_ADVICE)
        rooms[member.header_offset] = min(room, LOCAL_HEADER.size + 2 * EXTRA_BYTES + member.compress_size)
        end = member.header_offset
    return rooms


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() or (member.filename.endswith("\\") and not member.file_size)


def _path(member: zipfile.ZipInfo) -> str:
    """The name inside the source. Without a flag it is of an old code page; macOS writes UTF-8 without the flag."""
    name = member.filename
    if not member.flag_bits & UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return member_path(name)


def _file(archive: SourceFile, member: zipfile.ZipInfo, room: int) -> SourceFile:
    problem = _problem(member)
    return SourceFile(
        path=_path(member),
        uri=archive.uri,
        offset=archive.offset + member.header_offset,
        size=0 if problem else member.file_size,
        version=archive.version,
        problem=problem,
        zipped_bytes=room,
    )


def _problem(member: zipfile.ZipInfo) -> str:
    if ".." in _path(member).split("/"):
        return "its name leads outside the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, which is not followed"
    if member.flag_bits & ENCRYPTED:
        return "it is encrypted; pack the archive again without a password"
    if member.compress_type not in (STORED, DEFLATED):
        method = METHODS.get(member.compress_type, str(member.compress_type))
        return f"packed by the method {method}, which is not read; pack the archive again with the usual one (deflate)"
    return ""


def seekable_file(file: SourceFile, work: Path) -> SourceFile:
    """A file whose bytes can be read from any place: itself, or a zip member where it lies stored or is unpacked to.

    Args:
        work: folder for the unpacked bytes.

    Raises:
        DataError: the member is damaged, or larger than announced.
    """
    if not file.zipped_bytes:
        return file
    if file.problem:
        raise DataError(source=file.path, problem=file.problem, fix=REPACK_ADVICE)
    header = read(file.uri, file.offset, LOCAL_HEADER.size)
    _, _, _, method, *_, name_bytes, extra_bytes = LOCAL_HEADER.unpack(header)
    start = LOCAL_HEADER.size + name_bytes + extra_bytes
    if method == STORED:
        return replace(file, offset=file.offset + start, zipped_bytes=0)
    target = work / f"unpacked-{hashlib.sha256(file.path.encode()).hexdigest()[:16]}"
    _inflate(
        replace(file, offset=file.offset + start, size=file.zipped_bytes - start, zipped_bytes=0), target, file.size
    )
    return SourceFile(path=file.path, uri=str(target), size=file.size, version=file.version)


def _inflate(packed: SourceFile, target: Path, size: int) -> None:
    inflating, written = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with open_file(packed) as stream, target.open("wb") as out:
        while not inflating.eof and (chunk := stream.read(CHUNK_BYTES)):
            try:
                content = inflating.decompress(chunk)  # at most some thousand times as large as the chunk
            except zlib.error as error:
                raise DataError(
                    source=packed.path, problem=f"its zip member is damaged ({error})", fix=REPACK_ADVICE
                ) from error
            written += out.write(content)
            if written > size:
                break
    if written != size or not inflating.eof:
        problem = f"its zip member has not the {size} bytes that are announced"
        raise DataError(source=packed.path, problem=problem, fix=REPACK_ADVICE)
