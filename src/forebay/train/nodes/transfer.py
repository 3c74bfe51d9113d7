"""Folders on their way between machines: files in an object store, and a list of them with digests, written last."""

import json
from pathlib import Path
from typing import Any

from forebay.errors import DataError
from forebay.object_store import ObjectFolder
from forebay.state.file_digest import file_sha256

LIST = "files.json"


def put_folder(folder: Path, store: ObjectFolder, facts: dict[str, Any] | None = None) -> None:
    """Copy every file of a folder into the store.

    Args:
        folder: without folders in it.
        store: where to; it counts as there once the list is.
        facts: JSON that travels with it.

    Raises:
        OSError: the store refuses or does not answer.
    """
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = file_sha256(path)
        store.upload(path, path.name)
    store.write(LIST, json.dumps({"files": files, "facts": facts or {}}).encode())


def is_there(store: ObjectFolder) -> bool:
    """Whether a whole folder is in the store."""
    return LIST in store.names()


def get_folder(store: ObjectFolder, folder: Path) -> dict[str, Any]:
    """Copy a folder out of the store.

    Returns:
        The facts that travelled with it.

    Raises:
        DataError: it is not whole.
        OSError: the store refuses or does not answer, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        listed: dict[str, Any] = json.loads(store.read(LIST))
        for name in listed["files"]:
            _require_plain(name)
        for name in listed["files"]:
            store.download(name, folder / name)
        damaged = [name for name, digest in listed["files"].items() if file_sha256(folder / name) != digest]
    except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
        raise _broken(store, str(error)) from error
    if damaged:
        raise _broken(store, f"the sha256 of {', '.join(damaged)} is not the one in {LIST}")
    facts: dict[str, Any] = listed["facts"]
    return facts


def forget_folder(store: ObjectFolder) -> None:
    """Remove a folder, its list first."""
    for name in sorted(store.names(), key=lambda name: name != LIST):
        store.delete(name)


def _require_plain(name: str) -> None:
    """Whoever may write in the store must not choose where a file goes here.

    Raises:
        ValueError: it is more than a name.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} in {LIST} is no name of a file in it")


def _broken(store: ObjectFolder, problem: str) -> DataError:
    return DataError(source=store.uri, problem=f"it is not whole: {problem}", fix="Remove it and start the run again.")
