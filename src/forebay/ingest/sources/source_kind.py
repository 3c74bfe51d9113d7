"""What a kind of source is: how it is recognised, how it is indexed, and how its images are read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forebay.errors import DataError
from forebay.images import UnusableImageError
from forebay.ingest.files.source_file import SourceFile, SourceListing
from forebay.ingest.index.image_index import ImageRecord
from forebay.ingest.source_note import SourceNote
from forebay.settings import IngestConfig

SourceImage = bytes | NDArray[np.uint8] | UnusableImageError
"""An encoded image, raw pixels (H, W, C), or why there are none."""


@dataclass(frozen=True, kw_only=True)
class SourceContents:
    """What lies in a source, and the settings that say how to read it."""

    config: IngestConfig
    listing: SourceListing
    archives: tuple[str, ...] = ()  # paths of folders that are archives; an empty one where the source is an archive

    @property
    def files(self) -> Sequence[SourceFile]:
        """The visible files, sorted by path."""
        return self.listing.files


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """One kind of source.

    `accepts` tells whether contents are of this kind. `index` lists their images; it may put temporary files into the
    folder. `read` yields the images of some rows of the index in their order; the number is `ingest.max_file_bytes`.
    """

    kind: str
    accepts: Callable[[SourceContents], bool]
    index: Callable[[SourceContents, Path], Iterable[ImageRecord | SourceNote]]
    read: Callable[[pa.Table, int], Iterator[SourceImage]]


def invalid_file(file: SourceFile, problem: str, fix: str = "Get the file again.") -> DataError:
    """The error for a file whose content is not what its name says."""
    return DataError(source=file.path, problem=problem, fix=fix)


def complete_split(split: str, present: set[str]) -> str | None:
    """The split of some rows; None where the source does not bring both training and test rows."""
    return split if present == {"train", "test"} else None
