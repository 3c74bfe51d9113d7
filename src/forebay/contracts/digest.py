"""One digest over a whole bundle: the sorted list of its files, with size and sha256 of each.

The registry keeps the digest, and the list beside it, so that a changed file can be named. Every file counts, also
hidden ones and those in sub-folders, but the signature: it is made from the digest, so it cannot be in it.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

from forebay.contracts.bundle import SIGNATURE
from forebay.contracts.regular_file import not_regular, open_regular, shown
from forebay.errors import ModelError

MOST_FILES = 1000  # a bundle of ours holds fewer than ten
LARGEST_FILE = 1 << 36  # 64 GiB; no model is that large, and reading must end


class StoredFile(NamedTuple):
    """One file of a bundle."""

    size: int
    sha256: str


Files = Mapping[str, StoredFile]  # by the path inside the bundle, with `/`


def bundle_files(folder: Path) -> dict[str, StoredFile]:
    """Every file of a bundle but its signature.

    Raises:
        ModelError: one cannot be read or is no regular file, there are none, or too many.
    """
    found: dict[str, StoredFile] = {}
    try:
        for path, descriptor in _paths(folder):
            name = path.relative_to(folder).as_posix()
            if name == SIGNATURE:
                continue
            if len(found) == MOST_FILES:
                raise ModelError(f"{folder} holds more than {MOST_FILES} files, so it is no model bundle.")
            with open_regular(path, LARGEST_FILE, folder=descriptor) as file:
                found[name] = stored_file(file, path)
    except OSError as error:
        raise ModelError(f"{shown(Path(error.filename or folder))} cannot be read: {error.strerror}.") from error
    if not found:
        raise ModelError(f"{folder} holds no files, so it is no model bundle. Take it from the registry again.")
    return found


def stored_file(file: BinaryIO, path: Path) -> StoredFile:
    """Size and digest of an open file, from where it stands to its end.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        start = file.tell()
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return StoredFile(file.tell() - start, sha256)
    except OSError as error:
        raise ModelError(f"{shown(path)} cannot be read: {error.strerror}.") from error


def listing(files: Files) -> str:
    """The list of files as one line of JSON, always the same for the same files."""
    rows = [[name, *files[name]] for name in sorted(files)]
    return json.dumps(rows, separators=(",", ":"))


def digest_of(files: Files) -> str:
    """The bundle's digest, sha256 in hex, from the list of its files."""
    return hashlib.sha256(listing(files).encode()).hexdigest()


def bundle_digest(folder: Path) -> str:
    """The bundle's digest from its files.

    Raises:
        ModelError: as `bundle_files`.
    """
    return digest_of(bundle_files(folder))


def _paths(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file below a folder, with a descriptor of the folder that holds it; no link is followed."""

    def refuse(error: OSError) -> None:
        raise error  # fwalk would pass over it in silence

    for place, folders, names, descriptor in os.fwalk(folder, onerror=refuse, follow_symlinks=False):
        for name in folders:  # what fwalk would pass over in silence
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                raise ModelError(not_regular(Path(place, name), mode))
        for name in names:
            _check_name(Path(place, name))
            yield Path(place, name), descriptor


def _check_name(path: Path) -> None:
    if not path.name.isprintable():  # neither control characters nor bytes that are no text
        raise ModelError(f"{shown(path)}: the name of a bundle's file must be printable text.")
