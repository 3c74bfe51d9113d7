"""The model bundle: a folder with `model.json` (what to build, what it takes, where it came from) and safetensors."""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from forebay.errors import ModelError
from forebay.state.files import read_json, write_json
from forebay.state.sealed import MARKER, check_content

SPEC = "model.json"
WEIGHTS = "weights.safetensors"
HISTORY = "history.json"  # training curves: a list of objects, one per epoch
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything needed to rebuild and serve a model except its weights."""

    architecture: str  # a name that `forebay.models.build` knows
    options: dict[str, Any]  # of that architecture, JSON scalars
    classes: list[str]
    height: int
    width: int
    channels: int
    mean: list[float]  # per channel, 0..1 units; normalisation happens inside the model
    std: list[float]
    weights_sha256: str  # of the safetensors file
    training: dict[str, Any] = field(default_factory=dict)  # settings as resolved, threads, precision, torch, CPU flags
    data: dict[str, Any] = field(default_factory=dict)  # name, source, digest, rows, split_kind, holdout, exceptions, …
    lineage: dict[str, Any] = field(default_factory=dict)  # code_version, mlflow_run_id
    fit: str = "stretch"  # ingest.fit, which holds in the server too: crop, letterbox or stretch
    bits: int = 16  # ingest.bits as resolved, likewise. Older bundles have neither; these were the rules then
    task: str = "image-classification"
    format: int = FORMAT


def check_artifact(folder: Path) -> None:
    """Compare train's output folder with what it was when train ended; a bundle from elsewhere has no seal to hold.

    Raises:
        DamagedArtifactError: a file of it is missing or another one.
    """
    if (folder / MARKER).exists() or not folder.is_dir():
        check_content(folder, "train", [SPEC, WEIGHTS, HISTORY])


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write `model.json` beside the weights."""
    write_json(folder / SPEC, asdict(spec))


def read_spec(folder: Path) -> ModelSpec:
    """Read `model.json` and check that the weights beside it are the ones it names.

    Raises:
        ModelError: not a bundle, of another format, or the weights were changed.
    """
    try:
        values = read_json(folder / SPEC)
        spec = ModelSpec(**values)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{folder} is not a model bundle: {error}. Train writes one: a folder with {SPEC} and {WEIGHTS}."
        ) from error
    if spec.format != FORMAT:
        raise ModelError(
            f"{folder}: bundle format {spec.format!r}, this version reads {FORMAT}. Train the model again."
        )
    found = file_sha256(folder / WEIGHTS)
    if found != spec.weights_sha256:
        raise ModelError(
            f"{folder / WEIGHTS}: sha256 {found[:12]}… is not the {spec.weights_sha256[:12]}… that {SPEC} names. "
            "The bundle was changed or cut short; take it from the registry again."
        )
    return spec


def file_sha256(path: Path) -> str:
    """Digest of a file in hex.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}.") from error
