"""Files that are whole or absent: atomic writes, and a marker that says an artifact folder is complete."""

import json
import os
from pathlib import Path
from typing import Any

from forebay.errors import DamagedError

MARKER = "_COMPLETE.json"
SMALL_BYTES = 1 << 20  # up to which a file's content is sealed: manifests, evaluations, a model's description


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")  # `check_out` knows names of this form
    try:
        with temporary.open("xb") as file:  # unlike a file of `tempfile`'s, it has the modes that the umask says
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; NaN and infinity are refused because no strict reader accepts them."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_bytes(path, text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """Read a JSON file written by `write_json`."""
    return json.loads(path.read_bytes())


def read_object(path: Path, *, lost: str, mend: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        lost: what is gone where it cannot be read, for the message.
        mend: what to do then, a sentence with the command.

    Raises:
        FileNotFoundError: there is none.
        DamagedError: it holds something else.
    """
    try:
        value = read_json(path)
    except ValueError as error:  # no JSON, or no UTF-8
        raise DamagedError(path, error if path.stat().st_size else "it is empty", lost=lost, mend=mend) from error
    if not isinstance(value, dict):
        raise DamagedError(path, "it holds no JSON object", lost=lost, mend=mend)
    return value


def empty_folder(folder: Path) -> None:
    """Make an artifact folder that holds nothing, whatever a killed try left in it."""
    import shutil  # it loads every compression library

    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def seal(folder: Path) -> None:
    """Mark an artifact folder as complete: the last thing a step writes into it."""
    sizes = _sizes(folder)
    small = [name for name, size in sizes.items() if size <= SMALL_BYTES]
    write_json(folder / MARKER, {"bytes": sizes, "sha256": {name: _sha256(folder / name) for name in small}})


def is_sealed(folder: Path) -> bool:
    """Tell whether the folder is as it was sealed: every file is there in its size, and small ones in their content.

    What reads the large ones, rows and pictures, finds out by itself whether they are as they were written.
    """
    try:
        found = read_json(folder / MARKER)
        sizes, digests = dict(found["bytes"]), dict(found.get("sha256", {}))  # older ones have no digests
        have = _sizes(folder)
        return all(have.get(name) == size for name, size in sizes.items()) and all(
            _sha256(folder / name) == digest for name, digest in digests.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MARKER
    }


def _sha256(path: Path) -> str:
    import hashlib  # its libraries take 4 MB, which the server's supervisor does not need

    return hashlib.sha256(path.read_bytes()).hexdigest()
