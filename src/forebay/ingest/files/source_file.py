"""A file of a source, and which files of a source are visible."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM_FILES = frozenset((
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",  # file managers
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "lost+found",  # network storage and Linux
    "$recycle.bin", "system volume information", "found.000", "recycler", "recycled",  # Windows
    "network trash folder", "temporary items",  # Apple's file server
    "__pycache__",
))  # fmt: skip  # what these leave behind, in small letters; never classes or images


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A run of bytes with a name: a file, an object, or a member of an archive."""

    path: str  # inside the source, "/" between folders
    uri: str  # where the bytes lie: an absolute local path (as os.fsdecode gives it) or s3://bucket/key
    offset: int = 0  # bytes before the first one there; above 0 only inside an archive
    size: int  # bytes
    version: str = ""  # changes whenever the bytes may have
    problem: str = ""  # why it must not be read, such as a link in an archive or a device; else empty
    zipped_bytes: int = 0  # size of the member in its zip archive, header included; 0 outside of zip archives

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class SourceListing:
    """The visible files behind a path, without hidden files and what file managers leave behind."""

    files: list[SourceFile]  # sorted by path
    empty_folders: list[str]  # paths inside the source, sorted

    @classmethod
    def of_visible(cls, files: Iterable[SourceFile], folders: Iterable[str]) -> "SourceListing":
        """List those files and folders that are visible.

        Args:
            files: in any order.
            folders: paths of folders; those that hold files may be among them.
        """
        visible = sorted((file for file in files if is_visible(file.path)), key=lambda file: file.path)
        used: set[str] = set()
        for folder in {file.path.rpartition("/")[0] for file in visible}:
            while folder and folder not in used:
                used.add(folder)
                folder = folder.rpartition("/")[0]
        return cls(files=visible, empty_folders=sorted({path for path in folders if path and is_visible(path)} - used))


def is_visible(path: str) -> bool:
    """Tell whether no part of the path is hidden or left behind by a system."""
    if path.lower().endswith("zone.identifier"):  # Windows notes a file's origin; WSL and copies write it beside
        return False
    parts = path.split("/")  # ".." in an archive counts as visible, so that it is refused and not passed over
    return not any((part.startswith(".") and part not in (".", "..")) or part.lower() in SYSTEM_FILES for part in parts)


def printable(name: str) -> str:
    """A file name as text. Bytes that are not UTF-8 become escapes (`SourceFile.uri` keeps the real name)."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
