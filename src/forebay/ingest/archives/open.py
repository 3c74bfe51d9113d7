"""From a file to what lies in it, where it is an archive; and from a folder of archives to what lies in all of them."""

from dataclasses import replace
from pathlib import Path

from forebay.errors import DataError
from forebay.ingest.archives.compressed import decompress_file
from forebay.ingest.archives.magic import (
    DECOMPRESSORS,
    TAR,
    ZIP,
    archive_kind,
    describe_unsupported,
    read_compressed_head,
    read_head,
)
from forebay.ingest.archives.tar import tar_members
from forebay.ingest.archives.zip import zip_members
from forebay.ingest.files.files import SourceFile, SourceListing

ARCHIVE_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip", ".tar.zst", ".7z", ".rar",
)  # fmt: skip


def has_archive_suffix(file: SourceFile) -> bool:
    """Tell a file that is called like an archive."""
    return file.name.lower().endswith(ARCHIVE_SUFFIXES)


def open_archive(file: SourceFile, work: Path) -> tuple[str, SourceListing] | None:
    """What a file holds, whatever it is called.

    Args:
        work: folder for the unpacked bytes of a compressed archive.

    Returns:
        `tar` or `zip`, and the members; None where it is no archive and is not called one.

    Raises:
        DataError: it is damaged, or is called an archive and is none that is read.
    """
    start = read_head(file)
    kind = archive_kind(start)
    if kind in DECOMPRESSORS:
        inside = archive_kind(read_compressed_head(file, kind))
        if inside not in (TAR, ZIP) and not has_archive_suffix(file):
            return None
        file = replace(decompress_file(file, work, kind), path=file.path)
        start = read_head(file)
        kind = archive_kind(start)
    if kind == ZIP:
        return ZIP, zip_members(file)
    if kind == TAR:
        return TAR, tar_members(file)
    if has_archive_suffix(file):
        raise _unreadable_archive(file, start)
    return None


def open_archives(files: list[SourceFile], work: Path) -> tuple[str, SourceListing]:
    """What several archives hold together; each stands for a folder of its name.

    Raises:
        DataError: as `open_archive`.
    """
    members: list[SourceFile] = []
    folders: list[str] = []
    kinds = set()
    for file in files:
        opened = open_archive(file, work)
        if opened is not None:
            kind, listing = opened
            kinds.add(kind)
            above = without_archive_suffix(file.path)
            members += [replace(member, path=f"{above}/{member.path}") for member in listing.files]
            folders += [f"{above}/{folder}" for folder in listing.empty_folders]
    return "+".join(sorted(kinds)), SourceListing.of_visible(members, folders)


def without_archive_suffix(path: str) -> str:
    """The path of an archive without what says that it is one: the folder that it stands for."""
    known = [suffix for suffix in ARCHIVE_SUFFIXES if path.lower().endswith(suffix)]
    return path[: -max(map(len, known))] if known else path


def _unreadable_archive(file: SourceFile, start: bytes) -> DataError:
    kind = next(suffix for suffix in ARCHIVE_SUFFIXES if file.name.lower().endswith(suffix))
    found = describe_unsupported(start) or (
        f"something else, which begins with {start[:8].hex(' ')}" if start else "empty"
    )
    fix = "Get the file again, or pack it again as .tar, .tar.gz or .zip."
    if "LFS" in found:
        fix = "Run `git lfs pull` in its folder."
    return DataError(source=file.path, problem=f"it is called {kind} and is {found}", fix=fix)
