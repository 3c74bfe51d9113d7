"""The sha256 of a file's bytes: one owner, because stored digests are compared across steps and machines."""

from io import BufferedReader
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The digest of a file in hex.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return stream_sha256(file)


def stream_sha256(file: BufferedReader) -> str:
    """The digest in hex of what an open file still holds."""
    import hashlib  # its libraries take 4 MB, which the server's supervisor does not need

    return hashlib.file_digest(file, "sha256").hexdigest()
