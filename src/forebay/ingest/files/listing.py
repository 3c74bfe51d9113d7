"""Lists what lies behind a path or an `s3://` URI: names and sizes, without a heavy import.

Endpoint, region and credentials of S3 come from the environment only (`AWS_ENDPOINT_URL`, `AWS_REGION`,
`AWS_ACCESS_KEY_ID`, …; see boto3's own list).
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from forebay.errors import ConfigError
from forebay.ingest.files.source_file import SourceFile, SourceListing, printable
from forebay.object_store import is_s3_uri, list_objects


def list_files(data: str, key: str = "ingest.data") -> list[SourceFile]:
    """List every visible file behind a local path or `s3://` URI, sorted by path; see `list_source`."""
    return list_source(data, key).files


def list_source(data: str, key: str = "ingest.data") -> SourceListing:
    """List what lies behind a local path or `s3://` URI. A path to one file gives that file.

    Args:
        data: the path or URI.
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
    """Folders with the names of their files. Links are followed, but no folder is entered twice: links may loop."""
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
    except OSError as error:  # a dangling link is listed, so that it is quarantined by name and not passed over
        return SourceFile(path=printable(name), uri=str(path), size=0, problem=error.strerror or str(error))
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        return SourceFile(path=printable(name), uri=str(path), size=0, problem="not a regular file")
    version = f"{status.st_mtime_ns}-{status.st_ctime_ns}"
    return SourceFile(path=printable(name), uri=str(path), size=status.st_size, version=version)
