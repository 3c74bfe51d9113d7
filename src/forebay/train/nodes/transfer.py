"""Transfer folders between machines: the files lie in an object store, with a list of their digests, written last."""

import json
from pathlib import Path
from typing import Any

from forebay.errors import DataError
from forebay.object_store import ObjectFolder
from forebay.state.file_digest import file_sha256

FILE_LIST = "files.json"


def upload_folder(folder: Path, store: ObjectFolder, facts: dict[str, Any] | None = None) -> None:
    """Copy every file of a folder into the store.

    Args:
        folder: must hold no folders.
        store: the target; the copy is complete once it holds the list.
        facts: JSON to store with the list.

    Raises:
        OSError: the store refuses or does not answer.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = file_sha256(path)
        store.upload(path, path.name)
    store.write(FILE_LIST, json.dumps({"files": files, "facts": facts or {}}).encode())


def is_complete(store: ObjectFolder) -> bool:
    """Whether the store holds a whole folder."""
    return FILE_LIST in store.names()


def download_folder(store: ObjectFolder, folder: Path) -> dict[str, Any]:
    """Copy a folder out of the store.

    Returns:
        The facts that were stored with the list.

    Raises:
        DataError: the copy is not whole.
        OSError: the store refuses or does not answer, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        listed: dict[str, Any] = json.loads(store.read(FILE_LIST))
        for name in listed["files"]:
            _check_file_name(name)
        for name in listed["files"]:
            store.download(name, folder / name)
        damaged = [name for name, digest in listed["files"].items() if file_sha256(folder / name) != digest]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise _incomplete(store, str(error)) from error
    if damaged:
        raise _incomplete(store, f"the sha256 of {', '.join(damaged)} is not the one in {FILE_LIST}")
    facts: dict[str, Any] = listed["facts"]
    return facts


def delete_folder(store: ObjectFolder) -> None:
    """Remove a folder, its list first."""
    for name in sorted(store.names(), key=lambda name: name != FILE_LIST):
        store.delete(name)


def _check_file_name(name: str) -> None:
    """Refuse a path: who can write to the store must not choose where files are written on this machine.

    Raises:
        ValueError: it is not a plain file name.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} in {FILE_LIST} is no file name")


def _incomplete(store: ObjectFolder, problem: str) -> DataError:
    return DataError(source=store.uri, problem=f"it is not whole: {problem}", fix="Remove it and start the run again.")
