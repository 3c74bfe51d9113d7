"""One digest over a whole bundle: the sorted list of its files, with size and sha256 of each.

The registry keeps the digest, and the list beside it, so that a changed file can be named. Every file counts, also
hidden ones and those in sub-folders, except the signature: it is made from the others.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.regular_file import not_regular, open_regular
from forebay.contracts.bundles.spec import SIGNATURE
from forebay.errors import ModelError
from forebay.state.file_digest import stream_sha256
from forebay.text import find_control, one_line

MAX_FILES = 1000  # a bundle of ours holds fewer than ten
MAX_FILE_BYTES = 8 << 30  # the largest networks have a third of it


class StoredFile(NamedTuple):
    """One file of a bundle."""

    size: int
    sha256: str


BundleFiles = Mapping[str, StoredFile]  # by the path inside the bundle, with `/`
OnFile = Callable[[str, BufferedReader], None]  # gets the name and the open file


def bundle_files(folder: Path, on_file: OnFile | None = None) -> dict[str, StoredFile]:
    """Every file of a bundle except its signature.

    Args:
        folder: the bundle.
        on_file: called for each file after it was measured, with the file at its beginning. A caller that goes on with
            the very file that was measured, whatever its name leads to later, duplicates the descriptor.

    Raises:
        ModelError: a file cannot be read or is no regular file, there are none, or there are too many.
    """
    found: dict[str, StoredFile] = {}
    try:
        for name, path, descriptor in _paths(folder):
            if len(found) == MAX_FILES:
                raise ModelError(f"{folder} holds more than {MAX_FILES} files, so it is no model bundle.")
            with open_regular(path, MAX_FILE_BYTES, folder=descriptor) as file:
                found[name] = stored_file(file, path)
                file.seek(0)
                if on_file:
                    on_file(name, file)
    except OSError as error:
        raise ModelError(f"{one_line(str(error.filename or folder))} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ModelError(f"{folder} holds folders nested too deep, so it is no model bundle.") from error
    if not found:
        raise ModelError(f"{folder} holds no files, so it is no model bundle. Take it from the registry again.")
    return found


def stored_file(file: BufferedReader, path: Path) -> StoredFile:
    """Size and digest of an open file, from its position to its end.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        start = file.tell()
        sha256 = stream_sha256(file)
        return StoredFile(file.tell() - start, sha256)
    except OSError as error:
        raise ModelError(f"{one_line(str(path))} cannot be read: {error.strerror}.") from error


def files_json(files: BundleFiles) -> str:
    """The list of files as one line of JSON, the same for the same files."""
    rows = [[name, *files[name]] for name in sorted(files)]
    return json.dumps(rows, separators=(",", ":"))


def files_digest(files: BundleFiles) -> str:
    """The bundle's digest, sha256 in hex, from the list of its files."""
    return hashlib.sha256(files_json(files).encode()).hexdigest()


def bundle_digest(folder: Path) -> str:
    """The bundle's digest from its files.

    Raises:
        ModelError: as `bundle_files`.
    """
    return files_digest(bundle_files(folder))


def bundle_record(folder: Path) -> BundleRecord:
    """The record of a bundle as it is now.

    Raises:
        ModelError: as `bundle_files`, or a file is empty.
    """
    files = bundle_files(folder)
    empty = next((name for name, file in files.items() if not file.size), None)
    if empty is not None:
        raise ModelError(f"{folder / empty} is empty, and KServe brings no empty files to its pods. Remove it.")
    return BundleRecord(digest=files_digest(files), files=files_json(files))


def check_bundle(folder: Path, record: BundleRecord) -> None:
    """Compare a bundle with its record.

    Raises:
        ModelError: they differ; or as `bundle_files`.
    """
    check_files(folder, bundle_files(folder), record)


def check_files(folder: Path, found: BundleFiles, record: BundleRecord) -> None:
    """As `check_bundle`, for files that were read already."""
    digest = files_digest(found)
    if digest == record.digest:
        return
    difference = _difference(_recorded(record), found) or f"its digest is {digest[:12]}…, not {record.digest[:12]}…"
    raise ModelError(
        f"{folder} is not the bundle that was registered: {difference}. Something changed it since: bring the folder "
        "back from a copy, or register the model again."
    )


def _recorded(record: BundleRecord) -> BundleFiles:
    """The files in the record; none where the list does not belong to the digest."""
    if hashlib.sha256(record.files.encode()).hexdigest() != record.digest:
        return {}
    return {name: StoredFile(size, sha256) for name, size, sha256 in json.loads(record.files)}


def _difference(expected: BundleFiles, found: BundleFiles) -> str:
    if not expected:
        return ""
    changed = [name for name in sorted(expected.keys() & found.keys()) if expected[name] != found[name]]
    parts = {
        "was changed": changed,
        "is missing": sorted(expected.keys() - found.keys()),
        "was added": sorted(found.keys() - expected.keys()),
    }
    return "; ".join(f"{', '.join(names[:5])} {what}" for what, names in parts.items() if names)


def _paths(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Name and path of every file below a folder, and a descriptor of the file's folder; no link inside is followed."""

    def refuse(error: OSError) -> None:
        raise error  # fwalk would ignore it

    top = folder.resolve()  # the folder itself may be a link: KServe makes one
    for place, folders, names, descriptor in os.fwalk(top, onerror=refuse, follow_symlinks=False):
        for name in folders:  # links to folders, which fwalk would not enter
            mode = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode
            if not stat.S_ISDIR(mode):
                raise ModelError(not_regular(Path(place, name), mode))
        for name in names:
            path = Path(place, name)
            inside = path.relative_to(top).as_posix()
            if inside != SIGNATURE:
                _check_name(path)
                yield inside, path, descriptor


def _check_name(path: Path) -> None:
    if find_control(path.name):  # also finds bytes that are no text
        raise ModelError(f"{one_line(str(path))}: the name of a bundle's file must be printable text.")
