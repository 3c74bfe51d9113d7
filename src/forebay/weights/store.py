"""A store of weights: a folder, or a prefix in S3, laid out as the one in the state folder.

`FOREBAY_WEIGHTS_STORE` names the one that is asked before the hub. `forebay weights fetch --to` fills one.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from forebay.object_store import ObjectFolder, is_s3_uri
from forebay.settings.environment import IMAGE_WEIGHTS_VARIABLE, WEIGHTS_STORE_VARIABLE
from forebay.state import Home, write_bytes
from forebay.state.file_modes import apply_umask_to
from forebay.weights.errors import WeightsError
from forebay.weights.pretrained import PretrainedWeights
from forebay.weights.state_folder import RECORD_SUFFIX, WeightsRecord, keep, parse_record, record_bytes
from forebay.weights.whole_file import link_or_copy, whole_file


class WeightsStore(Protocol):
    """Files by name. What fails raises OSError."""

    def read(self, name: str) -> bytes:
        """The bytes of a small file; FileNotFoundError where there is none."""

    def download(self, name: str, path: Path) -> None:
        """Copy a file to a path."""

    def upload(self, path: Path, name: str) -> None:
        """Copy a file into the store, whole or not at all."""

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, whole or not at all."""

    def names(self) -> list[str]:
        """The names of all files."""


class _FolderStore:
    """A store in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def download(self, name: str, path: Path) -> None:
        link_or_copy(self._folder / name, path)

    def upload(self, path: Path, name: str) -> None:
        with whole_file(self._folder / name) as target:
            shutil.copyfile(path, target)
        self._apply_user_umask(name)

    def write(self, name: str, data: bytes) -> None:
        write_bytes(self._folder / name, data)
        self._apply_user_umask(name)

    def _apply_user_umask(self, name: str) -> None:
        """Others may read a store as the user's umask allows, unlike the state folder."""
        for path in (Path(name), *Path(name).parents):
            apply_umask_to(self._folder / path)

    def names(self) -> list[str]:
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return [path.relative_to(self._folder).as_posix() for path in files]


def open_store(where: str, setting: str = WEIGHTS_STORE_VARIABLE) -> WeightsStore:
    """The store at a path or an S3 URI; nothing is asked yet.

    Raises:
        ConfigError: the text is no S3 URI though it begins like one.
    """
    if is_s3_uri(where):
        return ObjectFolder.parse(where, setting)
    return _FolderStore(Path(where).expanduser())


def find_in_store(home: Home, name: str) -> PretrainedWeights | None:
    """The weights of that name in this container image or in the store that the environment names.

    They are brought into the state folder.

    Returns:
        None where no store is named, or it has no such weights.

    Raises:
        WeightsError: the store does not answer, or what it holds is damaged.
    """
    stores = (os.environ.get(IMAGE_WEIGHTS_VARIABLE), os.environ.get(WEIGHTS_STORE_VARIABLE))
    return next((found for where in stores if where and (found := _find(home, name, where))), None)


def _find(home: Home, name: str, where: str) -> PretrainedWeights | None:
    store = open_store(where)
    with _explained(where):
        try:
            text = store.read(f"{name}{RECORD_SUFFIX}")
        except FileNotFoundError:
            return None
    record = parse_record(text, f"{where}/{name}{RECORD_SUFFIX}")
    if record.name != name:
        raise WeightsError(f"{where}/{name}{RECORD_SUFFIX} is the record of {record.name}. Fill the store anew.")

    def download(target: Path) -> None:
        with _explained(where):
            store.download(record.file_name, target)

    return keep(home, record, download)


def fill_store(where: str, record: WeightsRecord, path: Path) -> None:
    """Put weights into a store.

    Raises:
        WeightsError: it does not answer or refuses.
        OSError: the disk is full or fails.
    """
    store = open_store(where, "--to")
    with _explained(where):
        store.upload(path, record.file_name)
        store.write(f"{record.name}{RECORD_SUFFIX}", record_bytes(record))


def list_store(where: str) -> list[WeightsRecord]:
    """What a store holds, by name.

    Raises:
        WeightsError: it does not answer or refuses, or a record is damaged.
    """
    store = open_store(where)
    with _explained(where):
        names = sorted(name for name in store.names() if name.endswith(RECORD_SUFFIX))
        return [parse_record(store.read(name), f"{where}/{name}") for name in names]


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if not is_s3_uri(where):
            raise
        raise WeightsError(f"The store of weights {where}: {error}.") from error
    except OSError as error:
        if error.errno is not None and error.filename is not None:
            raise  # this machine's
        raise WeightsError(f"The store of weights {where} does not answer or refuses: {error}.") from error
