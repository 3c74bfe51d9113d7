"""Which kind of source stands behind `ingest.data`, and what the data set is called."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from forebay.errors import ConfigError, DataError
from forebay.ingest import archive
from forebay.ingest.files import File, list_files
from forebay.ingest.index import Note, Record, build_index
from forebay.ingest.sources import SOURCES, Source, parquet
from forebay.settings import AUTO, IngestConfig
from forebay.settings.ingest import DIGITS

KINDS = (
    "Forebay reads folders of pictures with one sub-folder per class, a .tar or .tar.gz of one, IDX files under "
    "MNIST's names, CIFAR-10's binary files, Parquet with columns of pictures and labels, and digits."
)
NAME_CHARACTERS = 63  # of a registered model


@dataclass(frozen=True, kw_only=True)
class Found:
    """A recognised source."""

    data: str
    kind: str
    source: Source
    files: Sequence[File]
    work: Path
    config: IngestConfig
    notes: list[str] = field(default_factory=list)  # what a person should know of how it was read

    def index(self) -> pa.Table:
        """The index of its pictures.

        Raises:
            DataError: there is none, or a file is not what its name says.
        """
        table = build_index(self._records())
        if len(table) == 0:
            raise DataError(source=self.data, problem=f"no picture among its files ({_few(self.files)})", fix=KINDS)
        return table

    def _records(self) -> Iterator[Record]:
        for found in self.source.index(self.files, self.work, self.config):
            if isinstance(found, Note):
                self.notes.append(found.text)
            else:
                yield found


def find(data: str, work: Path, config: IngestConfig | None = None) -> Found:
    """Recognise a source by its files' names.

    Args:
        data: `ingest.data`.
        work: folder for the bytes of compressed files.
        config: how its files are to be read.

    Raises:
        ConfigError: there is nothing at the path, S3 refuses, or a setting is for another kind of source.
        DataError: it is empty, or an archive that cannot be read.
    """
    files = [] if data == DIGITS else list_files(data)
    packed = len(files) == 1 and archive.is_tar(files[0])
    if packed:
        files = archive.members(files[0], work)
    config = config or IngestConfig(data=data)
    source = _source(data, files, config)
    if source is None:
        raise DataError(source=data, problem="it holds no files (hidden ones do not count)", fix=KINDS)
    kind = "tar" if packed and source.kind == "folder" else source.kind
    notes: list[str] = []
    if source is not parquet.SOURCE:
        files, strays = parquet.without_strays(files)
        notes = [note.text for note in strays]
    return Found(data=data, kind=kind, source=source, files=files, work=work, config=config, notes=notes)


def _source(data: str, files: Sequence[File], config: IngestConfig) -> Source | None:
    named = {"image_column": config.image_column, "label_column": config.label_column}
    key = next((key for key, column in named.items() if column != AUTO), None)
    if key is None:
        return next((source for source in SOURCES if source.accepts(data, files)), None)
    if not any(parquet.is_parquet(file) for file in files):
        raise ConfigError(
            f"ingest.{key}={named[key]} names a column of Parquet files, and {data} holds none. Leave it at {AUTO}, or "
            "give Parquet."
        )
    return parquet.SOURCE


def data_set_name(data: str) -> str:
    """A name for the data set, made from its path: lower-case letters, digits and hyphens.

    `/data/CIFAR10_train.tar.gz` gives `cifar10-train`.
    """
    if "://" in data:
        last = data.rstrip("/").rpartition("/")[2]
    else:
        last = data if data == DIGITS else Path(data).expanduser().resolve().name
    stem = re.sub(r"\.(tar|tar\.gz|tgz|parquet)$", "", last.lower())
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:NAME_CHARACTERS].strip("-") or "data"


def _few(files: Sequence[File]) -> str:
    names = [file.path for file in files[:3]]
    return ", ".join([*names, f"… {len(files)} in all"] if len(files) > len(names) else names)
