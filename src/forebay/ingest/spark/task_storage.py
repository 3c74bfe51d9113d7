"""Where tasks put what others take up: a folder that all of them see, or a prefix in an object store."""

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

    @property
    def folder(self) -> ObjectFolder:
        """The objects below the prefix."""
        return ObjectFolder.parse(self.uri, "The work folder of ingest")

    @contextmanager
    def write_file(self, name: str) -> Iterator[Path]:
        """As `TaskStorage.write_file`: an object appears when its upload is complete."""
        with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
            path = Path(folder) / Path(name).name
            yield path
            self.folder.upload(path, name)

    @contextmanager
    def open_file(self, name: str) -> Iterator[BinaryIO]:
        """As `TaskStorage.open_file`: only what is asked for is fetched."""
        uri = f"{self.uri}/{name}"
        with open_file(SourceFile(path=name, uri=uri, size=object_size(uri))) as stream:
            yield stream

    def share_index(self, index: pa.Table) -> pa.Table:
        """Local files that the index names (what compressed ones were unpacked to) are moved here."""
        kept = {uri: uri for uri in pc.unique(index["uri"]).to_pylist()}
        for number, uri in enumerate(uri for uri in kept if not is_s3_uri(os.fsdecode(uri))):
            name = f"unpacked/{number:05d}"
            self.folder.upload(Path(os.fsdecode(uri)), name)
            Path(os.fsdecode(uri)).unlink()
            kept[uri] = f"{self.uri}/{name}".encode()
        addresses = pa.array([kept[uri] for uri in index["uri"].to_pylist()], pa.binary())
        return index.set_column(index.schema.get_field_index("uri"), "uri", addresses)
