"""Where tasks leave files for other tasks: a folder of this machine, or a prefix in an object store."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from forebay.ingest.files.reading import open_file
from forebay.ingest.files.source_file import SourceFile
from forebay.object_store import ObjectFolder, is_s3_uri, object_size


class TaskStorage(Protocol):
    """Files by name; `/` in a name separates folders. It travels to Spark workers, so it holds plain values only."""

    def write_file(self, name: str) -> AbstractContextManager[Path]:
        """Give a local path for the block. If it ends without an error, its file appears whole under the name."""

    def address(self, name: str) -> str:
        """Where the named file lies, as an index names it."""

    def open_file(self, name: str) -> AbstractContextManager[Path | BinaryIO]:
        """Open the named file in a form that pyarrow accepts."""

    def share_index(self, index: pa.Table) -> pa.Table:
        """Return the index with addresses that every task can read, in the same order."""


@dataclass(frozen=True)
class LocalStorage:
    """A folder of this machine, for tasks on this machine."""

    folder: Path

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.write_file`; an earlier file of the name is replaced."""
        target = self.folder / name
        temporary = target.with_suffix(".tmp")
        yield temporary
        temporary.replace(target)

    def address(self, name: str) -> str:
        """As `TaskStorage.address`."""
        return str(self.folder / name)

    @contextmanager
    def open_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.open_file`."""
        yield self.folder / name

    def share_index(self, index: pa.Table) -> pa.Table:
        """As `TaskStorage.share_index`: returns the index itself."""
        return index


@dataclass(frozen=True)
class S3Storage:
    """A prefix in an object store, for tasks on many machines."""

    uri: str  # s3://bucket/prefix

    @property
    def folder(self) -> ObjectFolder:
        """The objects below the prefix."""
        return ObjectFolder.parse(self.uri, "The work folder of ingest")

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.write_file`; the object appears when its upload is complete."""
        with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
            path = Path(folder) / Path(name).name
            yield path
            self.folder.upload(path, name)

    def address(self, name: str) -> str:
        """As `TaskStorage.address`."""
        return f"{self.uri}/{name}"

    @contextmanager
    def open_file(self, name: str) -> Iterator[BinaryIO]:
        """As `TaskStorage.open_file`; only the ranges that are read are fetched."""
        uri = self.address(name)
        with open_file(SourceFile(path=name, uri=uri, size=object_size(uri))) as stream:
            yield stream

    def share_index(self, index: pa.Table) -> pa.Table:
        """As `TaskStorage.share_index`; local files, which compressed ones were unpacked to, move to the store."""
        addresses = {uri: uri for uri in pc.unique(index["uri"]).to_pylist()}
        for number, uri in enumerate(uri for uri in addresses if not is_s3_uri(os.fsdecode(uri))):
            name = f"unpacked/{number:05d}"
            self.folder.upload(Path(os.fsdecode(uri)), name)
            Path(os.fsdecode(uri)).unlink()
            addresses[uri] = f"{self.uri}/{name}".encode()
        column = pa.array([addresses[uri] for uri in index["uri"].to_pylist()], pa.binary())
        return index.set_column(index.schema.get_field_index("uri"), "uri", column)
