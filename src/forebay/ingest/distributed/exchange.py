"""What the step and the driver's pod tell each other, as files in a folder of the object store."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from forebay.contracts.decoded_images import ImageFormat
from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, DataError, ForebayError, MachineError, UserCodeError
from forebay.ingest.decode_result import DecodeResult
from forebay.ingest.result import IngestResult
from forebay.ingest.spark.task_storage import S3Storage
from forebay.settings import IngestConfig

TASK = "task.json"  # the step writes the settings
IMAGE_FORMAT = "image_format.json"  # the step writes it where images are only decoded
RESULT = "result.json"  # the driver writes last: the result, or why there is none
OUT = "out"  # folder of the rows and the quarantine table
ERROR_TYPES: Mapping[str, type[ForebayError]] = {
    kind.__name__: kind for kind in (ConfigError, MachineError, UserCodeError)
}


def write_task(storage: S3Storage, config: IngestConfig) -> None:
    """Write the settings for the driver."""
    _write(storage, TASK, asdict(config))


def read_task(storage: S3Storage) -> IngestConfig:
    """Read the settings that the step wrote."""
    return IngestConfig(**_read(storage, TASK))


def write_image_format(storage: S3Storage, wanted: ImageFormat) -> None:
    """Write, before the task, that its images are only decoded, and what they are brought to."""
    _write(storage, IMAGE_FORMAT, asdict(wanted))


def read_image_format(storage: S3Storage) -> ImageFormat | None:
    """Read what the images of the task are brought to; None for an ingest."""
    if IMAGE_FORMAT not in storage.folder.names():
        return None
    return ImageFormat(**_read(storage, IMAGE_FORMAT))


def write_result(storage: S3Storage, result: IngestResult | DecodeResult) -> None:
    """Write the result for the step."""
    _write(storage, RESULT, asdict(result))


def write_error(storage: S3Storage, error: ForebayError) -> None:
    """Write why there is no result."""
    facts = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, DataError):
        facts |= {"source": error.source, "problem": error.problem, "fix": error.fix}
    _write(storage, RESULT, {"error": facts})


def read_result(storage: S3Storage) -> IngestResult:
    """Read what the driver wrote.

    Raises:
        ForebayError: the driver failed; this is its error, with the same type and text.
        OSError: the driver wrote nothing.
    """
    facts = _read_facts(storage)
    return IngestResult(**{**facts, "manifest": DataManifest(**facts["manifest"])})


def read_decode_result(storage: S3Storage) -> DecodeResult:
    """Read what the driver wrote where images were only decoded; raises as `read_result`."""
    return DecodeResult(**_read_facts(storage))


def raise_driver_error(storage: S3Storage) -> None:
    """Raise what `read_result` raises, and nothing where the driver has ended well."""
    _read_facts(storage)


def _read_facts(storage: S3Storage) -> dict[str, Any]:
    facts: dict[str, Any] = _read(storage, RESULT)
    if "error" in facts:
        raise _error(facts["error"])
    return facts


def _error(facts: Mapping[str, str]) -> ForebayError:
    if facts["kind"] == "DataError":
        return DataError(source=facts["source"], problem=facts["problem"], fix=facts["fix"])
    return ERROR_TYPES.get(facts["kind"], ForebayError)(facts["text"])


def _write(storage: S3Storage, name: str, value: Any) -> None:
    with storage.write_file(name) as path:
        path.write_text(json.dumps(value, allow_nan=False))


def _read(storage: S3Storage, name: str) -> Any:
    with storage.open_file(name) as stream:
        return json.loads(stream.read())
