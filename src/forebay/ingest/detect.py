"""Which kind of source stands behind `ingest.data`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from forebay.errors import ConfigError, DataError
from forebay.ingest.archives import open_archive, open_archives
from forebay.ingest.archives.open import has_archive_suffix, without_archive_suffix
from forebay.ingest.files.files import SourceFile, SourceListing, list_source
from forebay.ingest.image_index import ImageRecord, build_index
from forebay.ingest.layout import has_sidecar_suffix
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources import SOURCE_KINDS, SourceContents, SourceKind, labelled_images, parquet, webdataset
from forebay.settings import AUTO, IngestConfig
from forebay.settings.ingest import DIGITS

KINDS = (
    "Forebay reads folders of images with one sub-folder per class, tar and zip archives of one, WebDataset's tars, "
    "images with a table of labels (ingest.labels), IDX files under MNIST's names, CIFAR-10's binary files, Parquet "
    "with images and labels, and digits."
)


ARCHIVE_COMPANIONS = (".idx", ".index", "license", "readme", "copying", "checksums", "md5sums", "sha256sums")


@dataclass(frozen=True, kw_only=True)
class DetectedSource:
    """A recognised source."""

    kind: str
    source: SourceKind
    contents: SourceContents
    work: Path
    notes: list[SourceNote] = field(default_factory=list)  # what a person should know; `index` adds to them

    def index(self) -> pa.Table:
        """The index of its images.

        Raises:
            DataError: there is none, its folders can be read in several ways, or a file is not what its name says.
        """
        table = build_index(self._records())
        if len(table) == 0:
            problem = f"no image among its files ({_few(self.contents.files)})"
            raise DataError(source=self.contents.config.data, problem=problem, fix=_advice(self.contents.files))
        return table

    def _records(self) -> Iterator[ImageRecord]:
        for found in self.source.index(self.contents, self.work):
            if isinstance(found, SourceNote):
                self.notes.append(found)
            else:
                yield found


def detect_source(config: IngestConfig, work: Path) -> DetectedSource:
    """Recognise a source by its files' names, and an archive by its first bytes.

    Args:
        work: folder for the bytes of compressed files.

    Raises:
        ConfigError: there is nothing at the path, or S3 refuses.
        DataError: it is empty, or an archive that cannot be read.
    """
    listing = SourceListing(files=[], empty_folders=[]) if config.data == DIGITS else list_source(config.data)
    packed, contents = _opened(config, listing, work)
    source = _source(contents)
    kind = packed if packed and source.kind == "folder" else source.kind
    notes: list[SourceNote] = []
    if source is not parquet.KIND:
        contents, notes = parquet.drop_stray_parquet(contents)
    return DetectedSource(kind=kind, source=source, contents=contents, work=work, notes=notes)


def _source(contents: SourceContents) -> SourceKind:
    config = contents.config
    source = next((source for source in SOURCE_KINDS if source.accepts(contents)), None)
    if source is None:
        raise DataError(source=config.data, problem="it holds no files (hidden ones do not count)", fix=KINDS)
    named = {"image_column": config.image_column, "label_column": config.label_column}
    key = next((key for key, column in named.items() if column != AUTO), None)
    if key is None or source in (labelled_images.KIND, webdataset.KIND):
        return source
    if not any(parquet.is_parquet(file) for file in contents.files):
        raise ConfigError(
            f"ingest.{key}={named[key]} names a column of Parquet files or of a table of labels, and {config.data} "
            f"holds none. Leave it at {AUTO}, give Parquet, or name a table with ingest.labels."
        )
    return parquet.KIND


def _opened(config: IngestConfig, listing: SourceListing, work: Path) -> tuple[str, SourceContents]:
    """The kind of archive, empty for none, and what lies in it: in one file, or in a folder of nothing but archives."""
    if len(listing.files) == 1:
        opened = open_archive(listing.files[0], work)
        if opened is not None:
            kind, members = opened
            return kind, SourceContents(config=config, listing=members, archives=("",))
    archives = [file for file in listing.files if has_archive_suffix(file)]
    beside = [file for file in listing.files if not has_archive_suffix(file)]
    if archives and all(
        has_sidecar_suffix(file.name) or file.name.lower().endswith(ARCHIVE_COMPANIONS) for file in beside
    ):
        kind, members = open_archives(archives, work)
        together = SourceListing.of_visible(
            [*members.files, *beside], members.empty_folders
        )  # a table of labels may lie beside
        return kind, SourceContents(
            config=config, listing=together, archives=tuple(without_archive_suffix(file.path) for file in archives)
        )
    return "", SourceContents(config=config, listing=listing)


def _advice(files: Sequence[SourceFile]) -> str:
    """What to give instead of files among which no image is."""
    if any(has_archive_suffix(file) for file in files):
        return (
            "Archives are read where nothing but them and texts lies in a folder, and not inside other archives: "
            "unpack the outer one, or give an archive itself."
        )
    if any(file.name.lower().endswith(".arrow") for file in files):
        return "Arrow files are not read: load them with Hugging Face datasets (load_from_disk) and write to_parquet."
    return KINDS


def _few(files: Sequence[SourceFile]) -> str:
    names = [file.path for file in files[:3]]
    return ", ".join([*names, f"… {len(files)} in all"] if len(files) > len(names) else names)
