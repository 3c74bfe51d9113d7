"""What a batch is asked to do, and what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConfigError
from forebay.serving.state import DesiredModel
from forebay.settings import BatchConfig, IngestConfig
from forebay.settings.ingest import DIGITS
from forebay.settings.own_source import parse_own_source

SETTINGS = ("ingest.image_column", "ingest.max_file_bytes")  # of all that ingest has; the model decides the others


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """What to predict, with which model, and where the answers go.

    Raises:
        ConfigError: no class is to be listed.
    """

    sources: tuple[str, ...]  # paths and URIs, in the order of the result
    out: Path  # ends with .parquet or .csv
    name: str  # of the model
    version: str  # empty for a bundle that is not registered
    desired: DesiredModel
    config: IngestConfig  # of which SETTINGS count
    top: int = BatchConfig.top
    probabilities: bool = False  # of every class

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ConfigError(f"--top must be at least 1, got {self.top}.")


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What a batch did."""

    images: int
    rows: int  # predicted
    quarantined: dict[str, int]  # by reason
    resumed: int  # images that an earlier, interrupted batch had done
    start_seconds: float  # until Spark and the model were ready
    seconds: float  # from then on, until the result was written

    @property
    def images_per_s(self) -> float:
        """How many images of this batch's own were done in a second, its start not counted."""
        return (self.images - self.resumed) / max(self.seconds, 1e-6)


def check_sources(sources: Iterable[str]) -> None:
    """Refuse what cannot be a source of a batch; nothing is listed.

    Raises:
        ConfigError: there is nothing at a local path, or code of the user's is named.
    """
    for source in sources:
        if parse_own_source(source) is not None:
            raise ConfigError(
                f"{source} names code of your own, and a batch reads files: give a path or s3://BUCKET/PREFIX."
            )
        if "://" not in source and source != DIGITS and not Path(source).expanduser().exists():
            raise ConfigError(f"There is nothing at {source}. Give an existing file or folder, or s3://BUCKET/PREFIX.")
