"""The model bundle: a folder with `model.json` (what it is, what it takes, where it came from) and the weights.

The weights are safetensors for a network that Forebay can build, and a graph for one of the user's own.
"""

import os
from dataclasses import asdict, dataclass, field, fields
from math import prod
from pathlib import Path
from typing import Any

from forebay.contracts.bundles.regular_file import open_regular, read_regular
from forebay.contracts.bundles.spec_rules import COLUMNS, FORMAT, NETWORK_FIELDS, TASK, check_spec
from forebay.contracts.bundles.strict_json import parse_strict_json
from forebay.errors import ModelError
from forebay.settings.image_rules import BILINEAR, FULL_BITS, STRETCH
from forebay.settings.model_names import FOREBAY, ONNX, OWN_MODELS, TORCHVISION
from forebay.state.file_digest import stream_sha256
from forebay.state.files import write_json
from forebay.state.sealed import EVERYTHING, MARKER, check_content

SPEC = "model.json"
WEIGHTS = "weights.safetensors"
GRAPH = "model.onnx"  # in its place where the library is onnx: the network with its weights
HISTORY = "history.json"  # training curves: a list of objects, one per epoch
SIGNATURE = "model.sig"  # signs every other file, where models are signed (`forebay.signing`)
MAX_SPEC_BYTES = 16 << 20  # most have a few kB; many thousand classes take some MB


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything needed to rebuild and serve a model except its weights."""

    architecture: str  # a name that `forebay.models.build` knows in this library
    options: dict[str, Any]  # options of that architecture; JSON scalars
    classes: list[str]
    height: int
    width: int
    channels: int
    mean: list[float]  # per channel, 0..1 units; normalisation happens inside the model
    std: list[float]
    weights_sha256: str  # digest of the file of weights
    training: dict[str, Any] = field(default_factory=dict)  # settings as resolved, threads, precision, torch, CPU flags
    data: dict[str, Any] = field(default_factory=dict)  # name, source, digest, rows, split_kind, holdout, exceptions, …
    lineage: dict[str, Any] = field(default_factory=dict)  # code_version, mlflow_run_id
    training_images: dict[str, Any] = field(default_factory=dict)  # `contracts.training_images`; empty in older bundles
    fit: str = STRETCH  # ingest.fit, which the server follows too; an older bundle has neither this nor `bits`
    bits: int = FULL_BITS  # ingest.bits as resolved, which the server follows too
    resize: list[int] | None = None  # height and width that the network sees; None where it takes the images as stored
    interpolation: str = BILINEAR  # how the images are brought to that size
    temperature: float = 1.0  # divides the logits before softmax; an older bundle has none
    library: str = ""  # who makes the network; an older bundle names none and has ours or torchvision's
    library_version: str = ""  # with which it was trained; another one is used where the weights still fit
    task: str = TASK
    members: list[dict[str, Any]] = field(default_factory=list)  # of an ensemble: NETWORK_FIELDS, and COLUMNS if any
    format: int = FORMAT

    def __post_init__(self) -> None:
        """Fill in the library of an older bundle."""
        if not self.library:
            ours = self.members or self.architecture in OWN_MODELS
            object.__setattr__(self, "library", FOREBAY if ours else TORCHVISION)

    @property
    def network_size(self) -> tuple[int, int]:
        """Height and width of the images that the network sees."""
        return (self.resize[0], self.resize[1]) if self.resize else (self.height, self.width)

    @property
    def largest_size(self) -> tuple[int, int]:
        """Height and width of the largest images on their way through the model, which decide how many fit at once."""
        sizes = [(self.height, self.width), *(network.network_size for network in self.networks)]
        return max(sizes, key=prod)

    @property
    def networks(self) -> "list[ModelSpec]":
        """A spec of one network each: this one, or those of an ensemble's members, in their order."""
        if not self.members:
            return [self]
        shared = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _OF_A_NETWORK}
        own = [{name: value for name, value in member.items() if name != COLUMNS} for member in self.members]
        return [ModelSpec(**shared, **values) for values in own]

    @property
    def weights_name(self) -> str:
        """The file of the weights in the bundle."""
        return GRAPH if self.library == ONNX else WEIGHTS

    def predicts_like(self, other: "ModelSpec") -> bool:
        """Whether both answer every image alike; data, training and lineage may differ."""
        return all(getattr(self, name) == getattr(other, name) for name in _BEHAVIOUR)


_OF_A_NETWORK = (*NETWORK_FIELDS, "members")
_BEHAVIOUR = (
    *sorted({*_OF_A_NETWORK} - {"library_version"}), "classes", "height", "width", "channels", "weights_sha256", "fit",
    "bits", "task",
)  # fmt: skip


def check_train_output(folder: Path) -> None:
    """Check that train's output folder is as train left it. A bundle from elsewhere has no seal, so it passes.

    Raises:
        DamagedArtifactError: a file is missing or was changed.
    """
    if (folder / MARKER).exists() or not folder.is_dir():
        check_content(folder, "train", [SPEC, EVERYTHING])


def write_spec(folder: Path, spec: ModelSpec) -> None:
    """Write `model.json` beside the weights."""
    write_json(folder / SPEC, asdict(spec))


def read_spec(folder: Path) -> ModelSpec:
    """Read `model.json` and check that the weights beside it are the ones it names.

    Raises:
        ModelError: the folder is no bundle, a field is against its rule, or the weights were changed.
    """
    spec = read_unverified_spec(folder)
    check_weights(folder, spec.weights_sha256, name=spec.weights_name)
    return spec


def read_unverified_spec(folder: Path) -> ModelSpec:
    """Read `model.json` and ignore the weights.

    Raises:
        ModelError: the folder is no bundle, or a field is against its rule.
    """
    require_bundle(folder)
    return parse_spec(folder, read_regular(folder / SPEC, MAX_SPEC_BYTES))


def require_bundle(folder: Path) -> None:
    """Refuse a folder that is no bundle.

    Raises:
        ModelError: the folder has no spec.
    """
    if not os.path.lexists(folder / SPEC):
        raise ModelError(
            f"{folder} is not a model bundle: it holds no {SPEC}. Train writes one: a folder with {SPEC} and {WEIGHTS}."
        )


def parse_spec(folder: Path, content: bytes) -> ModelSpec:
    """The spec from the bytes of `model.json`.

    Raises:
        ModelError: a field is against its rule.
    """
    try:
        values = parse_strict_json(content)
        check_spec(values)
    except ValueError as error:
        raise ModelError(
            f"{folder / SPEC} does not describe a model: {error}. Take the bundle from the registry again, or train "
            "the model again."
        ) from error
    return ModelSpec(**values)


def check_weights(folder: Path, wanted_sha256: str, found_sha256: str = "", *, name: str = WEIGHTS) -> None:
    """Compare the digest of the weights with the one that the spec, or the registry, names.

    Args:
        folder: the bundle.
        wanted_sha256: the digest that the weights should have.
        found_sha256: the digest that they have, where it is known already.
        name: of their file.

    Raises:
        ModelError: they differ, or the weights cannot be read.
    """
    found = found_sha256 or regular_file_sha256(folder / name)
    if found != wanted_sha256:
        raise ModelError(
            f"{folder / name}: sha256 {found[:12]}… is not the {wanted_sha256[:12]}… that was written with it. The "
            "bundle was changed or cut short; take it from the registry again."
        )


def regular_file_sha256(path: Path) -> str:
    """The digest of a regular file in hex.

    Raises:
        ModelError: the file cannot be read.
    """
    with open_regular(path) as file:
        try:
            return stream_sha256(file)
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
