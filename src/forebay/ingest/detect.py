"""Tells which kind of source lies behind `ingest.data`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from forebay.errors import ConfigError, DataError
from forebay.ingest.archives import open_archive, open_archives
from forebay.ingest.files.listing import list_source
from forebay.ingest.files.source_file import SourceFile, SourceListing
from forebay.ingest.files.suffixes import has_archive_suffix, has_sidecar_suffix, without_archive_suffix
from forebay.ingest.index.image_index import ImageRecord, build_index
from forebay.ingest.source_note import SourceNote
from forebay.ingest.sources import SOURCE_KINDS, SourceContents, SourceKind, labelled_images, parquet, webdataset
from forebay.settings import AUTO, IngestConfig
from forebay.settings.ingest import DIGITS
from forebay.settings.own_source import parse_own_source

SUPPORTED_KINDS = (
    "Forebay reads folders of images with one sub-folder per class, tar and zip archives of one, WebDataset's tars, "
    "images with a table of labels (ingest.labels), IDX files under MNIST's names, CIFAR-10's binary files, Parquet "
    "with images and labels, digits, and whatever code of your own reads (FILE.py:NAME)."
)

ARCHIVE_COMPANIONS = (
    ".idx",
    ".index",
    "license",
    "readme",
    "copying",
    "checksums",
    "md5sums",
    "sha256sums",
)  # file names
FILES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class DetectedSource:
    """A recognised source."""

    kind: str  # the name of the source kind; tar or zip for an image folder in an archive
    source_kind: SourceKind
    contents: SourceContents
    work: Path  # folder for temporary files
    notes: list[SourceNote] = field(default_factory=list)  # `index` adds to them

    def index(self) -> pa.Table:
        """Build the index of its images.

        Raises:
            DataError: it has no image, its folders can be read in several ways, or a file is not what its name says.
        """
        table = build_index(self._records())
        if len(table) == 0:
            problem = f"no image among its files ({_first_names(self.contents.files)})"
            raise DataError(source=self.contents.config.data, problem=problem, fix=_advice(self.contents.files))
        return table

    def _records(self) -> Iterator[ImageRecord]:
        for found in self.source_kind.index(self.contents, self.work):
            if isinstance(found, SourceNote):
                self.notes.append(found)
            else:
                yield found


def detect_source(config: IngestConfig, work: Path) -> DetectedSource:
    """Recognise a source by its files' names, and an archive by its first bytes.

    Args:
        config: `data` is the source.
        work: folder for the bytes of compressed files.

    Raises:
        ConfigError: there is nothing at the path, or S3 refuses.
        DataError: it is empty, or an archive that cannot be read.
    """
    no_files = config.data == DIGITS or parse_own_source(config.data) is not None
    listing = SourceListing(files=[], empty_folders=[]) if no_files else list_source(config.data)
    archive_kind, contents = _open_archives(config, listing, work)
    source_kind = _source_kind(contents)
    kind = archive_kind if archive_kind and source_kind.kind == "folder" else source_kind.kind
    notes: list[SourceNote] = []
    if source_kind is not parquet.KIND:
        contents, notes = parquet.drop_stray_parquet(contents)
    return DetectedSource(kind=kind, source_kind=source_kind, contents=contents, work=work, notes=notes)


def _source_kind(contents: SourceContents) -> SourceKind:
    config = contents.config
    kind = next((kind for kind in SOURCE_KINDS if kind.accepts(contents)), None)
    if kind is None:
        raise DataError(source=config.data, problem="it holds no files (hidden ones do not count)", fix=SUPPORTED_KINDS)
    named = {"image_column": config.image_column, "label_column": config.label_column}
    key = next((key for key, column in named.items() if column != AUTO), None)
    if key is None or kind in (labelled_images.KIND, webdataset.KIND):
        return kind
    if not any(parquet.is_parquet(file) for file in contents.files):
        raise ConfigError(
            f"ingest.{key}={named[key]} names a column of Parquet files or of a table of labels, and {config.data} "
            f"holds none. Leave it at {AUTO}, give Parquet, or name a table with ingest.labels."
        )
    return parquet.KIND


def _open_archives(config: IngestConfig, listing: SourceListing, work: Path) -> tuple[str, SourceContents]:
    """Open the one file, or all files of a folder of archives.

    Returns:
        The kind of archive, empty for none, and the contents.
    """
    if len(listing.files) == 1:
        opened = open_archive(listing.files[0], work)
        if opened is not None:
            kind, members = opened
            return kind, SourceContents(config=config, listing=members, archives=("",))
    archives = [file for file in listing.files if has_archive_suffix(file.name)]
    others = [file for file in listing.files if not has_archive_suffix(file.name)]
    if archives and all(_is_archive_companion(file) for file in others):
        kind, members = open_archives(archives, work)
        merged = SourceListing.of_visible([*members.files, *others], members.empty_folders)  # others may hold labels
        return kind, SourceContents(
            config=config, listing=merged, archives=tuple(without_archive_suffix(file.path) for file in archives)
        )
    return "", SourceContents(config=config, listing=listing)


def _is_archive_companion(file: SourceFile) -> bool:
    return has_sidecar_suffix(file.name) or file.name.lower().endswith(ARCHIVE_COMPANIONS)


def _advice(files: Sequence[SourceFile]) -> str:
    """What to give instead of files that hold no image."""
    if len(files) == 1 and files[0].name.endswith(".py"):
        return f"To let code of your own read the images, name its class: {files[0].name}:NAME."
    if any(has_archive_suffix(file.name) for file in files):
        return (
            "Archives are read where nothing but them and texts lies in a folder, and not inside other archives: "
            "unpack the outer one, or give an archive itself."
        )
    if any(file.name.lower().endswith(".arrow") for file in files):
        return "Arrow files are not read: load them with Hugging Face datasets (load_from_disk) and write to_parquet."
    return SUPPORTED_KINDS


def _first_names(files: Sequence[SourceFile]) -> str:
    names = [file.path for file in files[:FILES_SHOWN]]
    return ", ".join([*names, f"… {len(files)} in all"] if len(files) > len(names) else names)
