"""The identity of a source's present content. It is part of the cache key: KFP's own key holds only the path."""

import hashlib
from importlib.metadata import version
from pathlib import Path

from forebay.ingest.files.listing import list_files
from forebay.ingest.files.source_file import SourceFile
from forebay.ingest.files.suffixes import has_archive_suffix
from forebay.ingest.own.identity import own_source_fingerprint
from forebay.settings.ingest import DIGITS
from forebay.settings.own_source import parse_own_source


def source_fingerprint(data: str, labels: str = "", code: str = "", *, ask: bool = True) -> str:
    """Identify the present content of a source without reading it.

    It is made of names, sizes and times of last change (modification and inode) of local files, and of keys, sizes and
    ETags of S3 objects, so that an edit under the same path, even one of equal size, gives another fingerprint.

    Args:
        data: `ingest.data`.
        labels: `ingest.labels`; a table that lies in the source is part of the source.
        code: `ingest.source_code`.
        ask: whether to run the code of a source that somebody wrote, to ask it for its `fingerprint`.

    Returns:
        A hex digest, or scikit-learn's version for `digits`.

    Raises:
        ConfigError: there is nothing at the local path, or S3 refuses.
        UserCodeError: the code of a source that somebody wrote does not run.
    """
    if (own := parse_own_source(data)) is not None:
        return own_source_fingerprint(own, code, ask=ask)
    if data == DIGITS:
        return f"scikit-learn-{version('scikit-learn')}"
    digest = hashlib.sha256()
    files = list_files(data)
    if labels and not _is_inside(labels, files):
        files += list_files(labels, "ingest.labels")
    for file in files:
        digest.update(f"{file.path}\0{file.size}\0{file.version}\n".encode())
    return digest.hexdigest()


def _is_inside(labels: str, files: list[SourceFile]) -> bool:
    """Tell whether the table lies in the source, or can only lie in one of its archives, whose version counts then."""
    wanted = labels.removeprefix("./")
    if any(file.path == wanted for file in files):
        return True
    if "://" in labels or Path(labels).expanduser().exists():
        return False
    archives = len(files) == 1 or any(has_archive_suffix(file.name) for file in files)
    return archives or any(file.path.endswith(f"/{wanted}") for file in files)


def absolute_labels(data: str, labels: str) -> str:
    """`ingest.labels` as an absolute path, unless it names a file of the source."""
    outside = Path(labels).expanduser()
    if not labels or "://" in labels or (Path(data).expanduser() / labels).is_file() or not outside.is_file():
        return labels
    return str(outside.absolute())
