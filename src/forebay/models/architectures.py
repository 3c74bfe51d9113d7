"""From an architecture's name to a network of the right shape.

To add a network of our own: its name in `settings/model_names.py`, and one entry in `_OWN_NETWORKS`. A library's
networks are made by its own module (`torchvision_models`, `timm_models`), which is imported with the first of them.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.library_models import STEMS, LibraryModels, NetworkShape
from forebay.models.networks import LeNet5, Mlp
from forebay.models.resnet9 import ResNet9
from forebay.settings.model_names import (
    FOREBAY,
    LENET5,
    LIBRARIES,
    MLP,
    OWN_MODELS,
    RESNET9,
    ModelName,
    find_model,
    names_of,
)
from forebay.version import VERSION


@dataclass(frozen=True)
class _NetworkEntry:
    build: Callable[..., nn.Module]
    arguments: Mapping[str, str]  # option name to the constructor's name for it


_OWN_NETWORKS = {
    MLP: _NetworkEntry(Mlp, {"dropout": "dropout", "width": "hidden"}),
    LENET5: _NetworkEntry(LeNet5, {"dropout": "dropout"}),
    RESNET9: _NetworkEntry(ResNet9, {"dropout": "dropout", "mirror": "mirror", "whiten": "whiten", "width": "base"}),
}
_LIBRARY_OPTIONS = ("dropout", "stem")
LARGEST_WIDTH = 1 << 14  # channels of the first stage
LARGEST_TABLES = 1 << 30  # bytes of a network beside its weights; the largest have some MB at sensible sizes


def build(
    architecture: str,
    options: Mapping[str, Any],
    channels: int,
    height: int,
    width: int,
    classes: int,
    *,
    library: str = "",
) -> nn.Module:
    """Make an untrained network; its weights come from torch's global random generator.

    Args:
        architecture: `mlp`, `lenet5`, `resnet9` or a classification model of torchvision or timm, by its name or as
            `timm/NAME`.
        options: `dropout` (probability before the last layer); for mlp and resnet9 `width` (channels of the first
            stage, required); for resnet9 `mirror` (answer with the mean over the image and its mirror image)
            and `whiten` (begin with fixed, decorrelated patches; colour images of up to 48 pixels a side); for a
            library's model `stem` (`own`, or `small` for full resolution; without it, the images' size decides).
        channels, height, width: shape of the images that it will take.
        classes: length of the logits.
        library: `forebay`, `torchvision` or `timm`; empty for the first of them that has the name.

    Raises:
        ModelError: the name is unknown (similar names are listed), it has no such option, it cannot take such
            images, or its library is not installed.
    """
    library, architecture = _check(library, architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    if library == FOREBAY:
        entry = _OWN_NETWORKS[architecture]
        return entry.build(**shape, **{"dropout": 0.0} | {entry.arguments[key]: options[key] for key in options})
    return _models_of(library).build(architecture, NetworkShape(**shape), **_library_options(options))


def weight_shapes(
    architecture: str,
    options: Mapping[str, Any],
    channels: int,
    height: int,
    width: int,
    classes: int,
    *,
    library: str = "",
) -> dict[str, tuple[int, ...]] | None:
    """The shapes of a network's weights by name, without memory for them; None where only building it tells.

    Raises:
        ModelError: as `build`; or it needs far more memory for images of this size than its weights take.
    """
    try:
        with torch.device("meta"):
            network = build(architecture, options, channels, height, width, classes, library=library)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, IndexError):
        return None
    _check_buffers(architecture, network)
    return {name: tuple(each.shape) for name, each in network.state_dict().items()}


def _check_buffers(architecture: str, network: nn.Module) -> None:
    """Refuse tables that are not among the weights, and that images of many pixels make huge."""
    stored = network.state_dict(keep_vars=True).keys()
    tables = sum(buffer.nbytes for name, buffer in network.named_buffers() if name not in stored)
    if tables > LARGEST_TABLES:
        raise ModelError(f"{architecture} needs tables of {tables} bytes for images of this size.")


def least_weight_count(architecture: str, options: Mapping[str, Any], *, library: str = "") -> int:
    """A lower bound of the number of weights, known without building the network.

    Raises:
        ModelError: the name is unknown, or it has no such option.
    """
    library, architecture = _check(library, architecture, options)
    # one layer of ours leads from `width` channels to as many; the largest networks of libraries have a known size
    return int(options.get("width", 0)) ** 2 if library == FOREBAY else 0


def library_version(library: str) -> str:
    """The version of a library of networks that is installed here; empty where it is not."""
    if library == FOREBAY:
        return VERSION
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _models_of(library: str) -> LibraryModels:
    """What makes a library's networks; importing it may take seconds."""
    models: LibraryModels = import_module(f"forebay.models.{library}_models").MODELS
    return models


def _library_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"dropout": 0.0, "stem": ""} | dict(options)


def _check(library: str, architecture: str, options: Mapping[str, Any]) -> ModelName:
    """Check name and options. Returns the name in full: its library is looked up where it was empty."""
    if not library:
        library, architecture = find_model(architecture) or ModelName("", architecture)
    known = _known_options(library, architecture)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ModelError(f"{architecture} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    if "width" in known and "width" not in options:
        raise ModelError(f"{architecture} needs the option width, the channels of its first stage.")
    for name, value in options.items():
        rule, is_valid = _OPTION_RULES[name]
        if not is_valid(value):
            raise ModelError(f"{architecture}: the option {name} must be {rule}, is {value!r:.100}.")
    return ModelName(library, architecture)


def _known_options(library: str, architecture: str) -> tuple[str, ...]:
    names = _names(library)
    if architecture not in names:
        similar = difflib.get_close_matches(architecture, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
        among = f" in {library}" if library else ""
        raise ModelError(
            f"There is no model {architecture!r}{among}. {hint}Use {', '.join(OWN_MODELS)} or a classification model "
            "of torchvision or timm."
        )
    return tuple(_OWN_NETWORKS[architecture].arguments) if library == FOREBAY else _LIBRARY_OPTIONS


def _names(library: str) -> Sequence[str]:
    """The names that are there; an installed library of another version may have others than the catalogue."""
    if library == FOREBAY:
        return OWN_MODELS
    if library:
        return _models_of(library).list_names()
    return sorted({name for each in LIBRARIES for name in names_of(each)})


_OPTION_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dropout": ("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1),
    "width": (
        f"a whole number from 1 to {LARGEST_WIDTH}",
        lambda value: type(value) is int and 1 <= value <= LARGEST_WIDTH,
    ),
    "stem": (" or ".join(STEMS), lambda value: value in STEMS),
    "mirror": ("true or false", lambda value: type(value) is bool),
    "whiten": ("true or false", lambda value: type(value) is bool),
}
