"""From an architecture's name to a network of the right shape.

To add a network of our own: its name in `settings/model_names.py`, and one entry in `_OWN_NETWORKS`.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.networks import LeNet5, Mlp
from forebay.models.resnet9 import ResNet9
from forebay.settings.model_names import LENET5, MLP, OWN_MODELS, RESNET9


@dataclass(frozen=True)
class _NetworkEntry:
    build: Callable[..., nn.Module]
    arguments: Mapping[str, str]  # option name to the constructor's name for it


_OWN_NETWORKS = {
    MLP: _NetworkEntry(Mlp, {"dropout": "dropout", "width": "hidden"}),
    LENET5: _NetworkEntry(LeNet5, {"dropout": "dropout"}),
    RESNET9: _NetworkEntry(ResNet9, {"dropout": "dropout", "mirror": "mirror", "whiten": "whiten", "width": "base"}),
}
_TORCHVISION_OPTIONS = ("dropout",)
LARGEST_WIDTH = 1 << 14  # channels of the first stage


def build(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> nn.Module:
    """Make an untrained network; its weights come from torch's global random generator.

    Args:
        architecture: `mlp`, `lenet5`, `resnet9` or a torchvision classification model.
        options: `dropout` (probability before the last layer); for mlp and resnet9 `width` (channels of the first
            stage, required); for resnet9 `mirror` (answer with the mean over the image and its mirror image)
            and `whiten` (begin with fixed, decorrelated patches; colour images of up to 48 pixels a side).
        channels, height, width: shape of the images that it will take.
        classes: length of the logits.

    Raises:
        ModelError: the name is unknown (similar names are listed), it has no such option, or it cannot take such
            images.
    """
    _check_options(architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    if architecture in OWN_MODELS:
        entry = _OWN_NETWORKS[architecture]
        return entry.build(**shape, **{"dropout": 0.0} | {entry.arguments[key]: options[key] for key in options})
    from forebay.models import torchvision_models

    return torchvision_models.build(architecture, dropout=options.get("dropout", 0.0), **shape)


def weight_shapes(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> dict[str, tuple[int, ...]] | None:
    """The shapes of a network's weights by name, without memory for them; None where only building it tells.

    Raises:
        ModelError: as `build`, except for images that a torchvision model cannot take.
    """
    _check_options(architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    try:
        with torch.device("meta"):
            network = _meta_network(architecture, options, shape)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, IndexError):
        return None
    return None if network is None else {name: tuple(each.shape) for name, each in network.state_dict().items()}


def _meta_network(architecture: str, options: Mapping[str, Any], shape: Mapping[str, int]) -> nn.Module | None:
    if architecture in OWN_MODELS:
        return build(architecture, options, **shape)
    from forebay.models import torchvision_models

    return torchvision_models.build_without_memory(architecture, dropout=options.get("dropout", 0.0), **shape)


def least_weight_count(architecture: str, options: Mapping[str, Any]) -> int:
    """A lower bound of the number of weights, known without building the network.

    Raises:
        ModelError: the name is unknown, or it has no such option.
    """
    _check_options(architecture, options)
    if architecture in OWN_MODELS:
        return int(options.get("width", 0)) ** 2  # one layer leads from `width` channels to as many
    from forebay.models import torchvision_models

    return torchvision_models.least_weight_count(architecture)


def _check_options(architecture: str, options: Mapping[str, Any]) -> None:
    known = _known_options(architecture)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ModelError(f"{architecture} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    if "width" in known and "width" not in options:
        raise ModelError(f"{architecture} needs the option width, the channels of its first stage.")
    for name, value in options.items():
        rule, is_valid = _OPTION_RULES[name]
        if not is_valid(value):
            raise ModelError(f"{architecture}: the option {name} must be {rule}, is {value!r:.100}.")


def _known_options(architecture: str) -> tuple[str, ...]:
    if architecture in OWN_MODELS:
        return tuple(_OWN_NETWORKS[architecture].arguments)
    from forebay.models import torchvision_models

    names = torchvision_models.list_names()
    if architecture not in names:
        similar = difflib.get_close_matches(architecture, [*OWN_MODELS, *names], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(similar)}? " if similar else ""
        raise ModelError(
            f"There is no model {architecture!r}. {hint}Use {', '.join(OWN_MODELS)} or a torchvision classification "
            "model."
        )
    return _TORCHVISION_OPTIONS


_OPTION_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dropout": ("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1),
    "width": (
        f"a whole number from 1 to {LARGEST_WIDTH}",
        lambda value: type(value) is int and 1 <= value <= LARGEST_WIDTH,
    ),
    "mirror": ("true or false", lambda value: type(value) is bool),
    "whiten": ("true or false", lambda value: type(value) is bool),
}
