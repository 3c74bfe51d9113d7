"""What the step and the driver's pod tell each other: files of a place in the object store."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from forebay.contracts.manifest import DataManifest
from forebay.errors import ConfigError, DataError, ForebayError, MachineError
from forebay.ingest.result import IngestResult
from forebay.ingest.spark.task_storage import S3Storage
from forebay.settings import IngestConfig

TASK = "task.json"  # by the step: the settings
RESULT = "result.json"  # by the driver, written last: what was read, or why not
OUT = "out"  # folder of rows and quarantine
WORDS: Mapping[str, type[ForebayError]] = {kind.__name__: kind for kind in (ConfigError, MachineError)}


def write_task(place: S3Storage, config: IngestConfig) -> None:
    """Leave the settings for the driver."""
    _write(place, TASK, asdict(config))


def read_task(place: S3Storage) -> IngestConfig:
    """The settings that the step left."""
    return IngestConfig(**_read(place, TASK))


def write_reading(place: S3Storage, reading: IngestResult) -> None:
    """Leave what was read for the step."""
    _write(place, RESULT, asdict(reading))


def write_error(place: S3Storage, error: ForebayError) -> None:
    """Leave why nothing came of it."""
    facts = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, DataError):
        facts |= {"source": error.source, "problem": error.problem, "fix": error.fix}
    _write(place, RESULT, {"error": facts})


def read_result(place: S3Storage) -> IngestResult:
    """What the driver left.

    Raises:
        ForebayError: the driver's own error, of the same kind and in the same words.
        OSError: it left nothing.
    """
    facts = _read(place, RESULT)
    if "error" in facts:
        raise _error(facts["error"])
    return IngestResult(**{**facts, "manifest": DataManifest(**facts["manifest"])})


def _error(facts: Mapping[str, str]) -> ForebayError:
    if facts["kind"] == "DataError":
        return DataError(source=facts["source"], problem=facts["problem"], fix=facts["fix"])
    return WORDS.get(facts["kind"], ForebayError)(facts["text"])


def _write(place: S3Storage, name: str, value: Any) -> None:
    with place.write_file(name) as path:
        path.write_text(json.dumps(value, allow_nan=False))


def _read(place: S3Storage, name: str) -> Any:
    with place.open_file(name) as stream:
        return json.loads(stream.read())
