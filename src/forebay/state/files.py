"""Files that are whole or absent: atomic writes. `state.sealed` does the same for whole artifact folders."""

import json
import os
from pathlib import Path
from typing import Any

from forebay.errors import DamagedFileError
from forebay.state.machine_errors import add_file_name


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")  # `check_out` knows names of this form
    try:
        with add_file_name(path):
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
        DamagedFileError: it holds something else.
    """
    try:
        value = read_json(path)
    except ValueError as error:  # no JSON, or no UTF-8
        raise DamagedFileError(path, error if path.stat().st_size else "it is empty", lost=lost, mend=mend) from error
    if not isinstance(value, dict):
        raise DamagedFileError(path, "it holds no JSON object", lost=lost, mend=mend)
    return value


def empty_folder(folder: Path) -> None:
    """Make an artifact folder that holds nothing, whatever a killed try left in it."""
    import shutil  # it loads every compression library

    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
