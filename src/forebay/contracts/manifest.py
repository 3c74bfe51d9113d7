"""The two manifests: what ingest found, and how preprocess split that."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from forebay.errors import DataError
from forebay.settings.image_rules import FULL_BITS, STRETCH
from forebay.state.files import read_json, write_json
from forebay.state.sealed import check_content

MANIFEST = "manifest.json"


class _StoredManifest:
    """Reads and writes a manifest as `manifest.json`."""

    maker: ClassVar[str]  # the step that writes it

    def write(self, folder: Path) -> None:
        """Write the manifest into its artifact folder."""
        write_json(folder / MANIFEST, asdict(self))  # type: ignore[call-overload]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the manifest of an artifact folder.

        Raises:
            DamagedArtifactError: the folder is not complete, or the manifest is not the one that it was sealed with.
            DataError: the file holds no manifest of this kind.
        """
        check_content(folder, cls.maker, [MANIFEST])
        try:
            values: dict[str, Any] = read_json(folder / MANIFEST)
            return cls(**values)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                source=str(folder),
                problem=f"no readable {MANIFEST} of kind {cls.__name__} ({error})",
                fix="Give the output folder of the step before, or run that step again.",
            ) from error


@dataclass(frozen=True, kw_only=True)
class DataManifest(_StoredManifest):
    """What ingest wrote."""

    maker = "ingest"

    name: str  # the dataset's name in the registry: lower-case letters, digits, hyphens
    source: str  # the URI that was read
    kind: str  # digits, folder, tar, idx, cifar10, parquet
    fingerprint: str
    code_version: str
    rows: int
    classes: list[str]  # in label order
    class_rows: dict[str, int]
    height: int
    width: int
    channels: int
    digest: str  # hex; `contracts.rows.content_digest`
    quarantined: dict[str, int]  # by reason, only reasons that occurred
    sizes: dict[str, int]  # readable images by their original HxW
    splits: dict[str, int]  # rows by the source's own split; empty where it has none
    warnings: list[str]
    settings: dict[str, Any]  # as resolved
    colours: int | None = None  # how many readable images have colours; an older manifest does not say
    format: int = 1


@dataclass(frozen=True, kw_only=True)
class SplitManifest(_StoredManifest):
    """What preprocess wrote, and the facts of the data manifest that later steps need."""

    maker = "preprocess"

    name: str
    source: str
    kind: str
    data_digest: str  # DataManifest.digest
    digest: str  # hex; covers shards, labels, statistics and classes
    classes: list[str]
    height: int
    width: int
    channels: int
    rows: int
    quarantined: dict[str, int]
    splits: dict[str, int]  # rows of train, validation, test
    shards: dict[str, list[str]]  # file names by split, in order
    train_class_rows: dict[str, int]
    mean: list[float]  # per channel, of the training rows, in 0..1 units
    std: list[float]
    split_kind: str  # hash or source
    holdout: float
    validation: float
    exceptions: dict[str, list[str]] = field(default_factory=dict)  # `contracts.holdout.split_exceptions`
    warnings: list[str] = field(default_factory=list)
    fit: str = STRETCH  # ingest.fit and, below, ingest.bits, for the server; an older manifest has neither
    bits: int = FULL_BITS
    sources: dict[str, str] = field(default_factory=dict)  # files of image names by split; older ones have none
    source_facts: dict[str, Any] = field(default_factory=dict)  # `contracts.training_images.source_facts`
    format: int = 1

    @property
    def data_facts(self) -> dict[str, Any]:
        """Where the data came from and how it was split, as bundle and evaluation record it."""
        return {
            "name": self.name, "source": self.source, "kind": self.kind,
            "digest": self.data_digest, "split_digest": self.digest,
            "rows": self.rows, "splits": self.splits, "holdout": self.holdout, "validation": self.validation,
            "split_kind": self.split_kind, "exceptions": self.exceptions, "quarantined": self.quarantined,
        }  # fmt: skip
