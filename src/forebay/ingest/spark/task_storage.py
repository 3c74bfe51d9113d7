"""Where tasks put what others take up: a folder that all of them see, or a prefix in an object store."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from forebay.ingest.files import s3
from forebay.ingest.files.files import SourceFile, open_file


class TaskStorage(Protocol):
    """Files by name; `/` in a name makes a folder. It travels to the Spark workers, so it holds plain values only."""

    def write_file(self, name: str) -> AbstractContextManager[Path]:
        """A local file that becomes the named one, whole, when the block ends without an error."""

    def open_file(self, name: str) -> AbstractContextManager[Path | BinaryIO]:
        """The named file, as pyarrow takes it."""

    def share_index(self, index: pa.Table) -> pa.Table:
        """The index with addresses that every task can read; its order stays."""


@dataclass(frozen=True)
class LocalStorage:
    """A folder of this machine, for tasks on this machine."""

    folder: Path

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.write_file`; writing it again replaces it."""
        target = self.folder / name
        temporary = target.with_suffix(".tmp")
        yield temporary
        temporary.replace(target)

    @contextmanager
    def open_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.open_file`."""
        yield self.folder / name

    def share_index(self, index: pa.Table) -> pa.Table:
        """The index itself."""
        return index


@dataclass(frozen=True)
class S3Storage:
    """A prefix in an object store, for tasks on many machines."""

    uri: str  # s3://bucket/prefix

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.write_file`: an object appears when its upload is complete."""
        with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
            path = Path(folder) / Path(name).name
            yield path
            s3.upload(path, f"{self.uri}/{name}")

    @contextmanager
    def open_file(self, name: str) -> Iterator[BinaryIO]:
        """As `TaskStorage.open_file`: only what is asked for is fetched."""
        uri = f"{self.uri}/{name}"
        with open_file(SourceFile(path=name, uri=uri, size=s3.size(uri))) as stream:
            yield stream

    def share_index(self, index: pa.Table) -> pa.Table:
        """Local files that the index names (what compressed ones were unpacked to) are moved here."""
        kept = {uri: uri for uri in pc.unique(index["uri"]).to_pylist()}
        for number, uri in enumerate(uri for uri in kept if not s3.is_uri(os.fsdecode(uri))):
            moved = f"{self.uri}/unpacked/{number:05d}"
            s3.upload(Path(os.fsdecode(uri)), moved)
            Path(os.fsdecode(uri)).unlink()
            kept[uri] = moved.encode()
        addresses = pa.array([kept[uri] for uri in index["uri"].to_pylist()], pa.binary())
        return index.set_column(index.schema.get_field_index("uri"), "uri", addresses)


def file_digest(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
