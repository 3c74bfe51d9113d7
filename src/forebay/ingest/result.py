"""What was read from a source, and who else may read it: executors of a cluster, where one machine does not do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from forebay.contracts.decoded_images import ImageFormat
from forebay.contracts.manifest import DataManifest
from forebay.ingest.decode_result import DecodeResult
from forebay.settings import IngestConfig
from forebay.state import StepLog


@dataclass(frozen=True, kw_only=True)
class IngestResult:
    """What was read and written, before the step checks whether it is worth training on."""

    manifest: DataManifest
    images: int  # number of images in the source, including the quarantined ones
    digests: dict[str, str]  # sha256 of each file by name; empty where the files need no download
    set_aside: int = 0  # number of images that are quarantined because they are unlabelled on purpose


class IngestExecutor(Protocol):
    """Reads a source on several machines; the ingest step is handed one where `ingest.executors` may be above 0."""

    def read(self, out: Path, config: IngestConfig, log: StepLog) -> IngestResult:
        """Read the source, and leave the rows and the quarantine table in `out`.

        Raises:
            ConfigError: the cluster is not set up for it; the message says what is missing.
            DataError, MachineError: as the step raises them.
        """

    def decode(self, out: Path, config: IngestConfig, wanted: ImageFormat, log: StepLog) -> DecodeResult:
        """Decode the images of a source without labels, and leave the decoded parts in `out`.

        Raises:
            ConfigError, DataError, MachineError: as `read`.
        """
