"""Opens a file that may be an archive, and a folder of archives."""

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
    read_decompressed_head,
    read_head,
    refetch_advice,
)
from forebay.ingest.archives.tar import tar_members
from forebay.ingest.archives.zip import zip_members
from forebay.ingest.files.source_file import SourceFile, SourceListing
from forebay.ingest.files.suffixes import has_archive_suffix, named_archive_kind, without_archive_suffix


def open_archive(file: SourceFile, work: Path) -> tuple[str, SourceListing] | None:
    """List what a file holds where it is an archive, whatever its name says.

    Args:
        file: the file that may be an archive.
        work: folder for the unpacked bytes of a compressed archive.

    Returns:
        `tar` or `zip`, and the members; None where neither the content nor the name is an archive's.

    Raises:
        DataError: it is damaged, or its name is an archive's and its content is no archive that Forebay reads.
    """
    head = read_head(file)
    kind = archive_kind(head)
    if kind in DECOMPRESSORS:
        inner_kind = archive_kind(read_decompressed_head(file, kind))
        if inner_kind not in (TAR, ZIP) and not has_archive_suffix(file.name):
            return None
        file = replace(decompress_file(file, work, kind), path=file.path)
        head = read_head(file)
        kind = archive_kind(head)
    if kind == ZIP:
        return ZIP, zip_members(file)
    if kind == TAR:
        return TAR, tar_members(file)
    if has_archive_suffix(file.name):
        raise _not_an_archive(file, head)
    return None


def open_archives(files: list[SourceFile], work: Path) -> tuple[str, SourceListing]:
    """List what several archives hold together; each stands for a folder of its name.

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
            top = without_archive_suffix(file.path)
            members += [replace(member, path=f"{top}/{member.path}") for member in listing.files]
            folders += [f"{top}/{folder}" for folder in listing.empty_folders]
    return "+".join(sorted(kinds)), SourceListing.of_visible(members, folders)


def _not_an_archive(file: SourceFile, head: bytes) -> DataError:
    unknown = f"something else, which begins with {head[:8].hex(' ')}" if head else "empty"
    found = describe_unsupported(head) or unknown
    fix = refetch_advice(found, "Get the file again, or pack it again as .tar, .tar.gz or .zip.")
    problem = f"it is called {named_archive_kind(file.name)} and is {found}"
    return DataError(source=file.path, problem=problem, fix=fix)
