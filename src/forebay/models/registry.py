"""From a name to a network of the right shape. To add a network of ours: one entry in `_OWN`."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.networks import LeNet5, Mlp, ResNet9


@dataclass(frozen=True)
class _Entry:
    build: Callable[..., nn.Module]
    arguments: Mapping[str, str]  # by option: the constructor's name for it


_OWN = {
    "mlp": _Entry(Mlp, {"dropout": "dropout", "width": "hidden"}),
    "lenet5": _Entry(LeNet5, {"dropout": "dropout"}),
    "resnet9": _Entry(ResNet9, {"dropout": "dropout", "mirror": "mirror", "whiten": "whiten", "width": "base"}),
}
_TORCHVISION_OPTIONS = ("dropout",)
WIDEST = 1 << 14  # channels of a first stage


def build(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> nn.Module:
    """Make an untrained network; its weights come from torch's global random generator.

    Args:
        architecture: `mlp`, `lenet5`, `resnet9` or a torchvision classification model.
        options: `dropout` (probability before the last layer); for mlp and resnet9 `width` (channels of the first
            stage, required); for resnet9 `mirror` (answer with the mean over the image and its mirror image)
            and `whiten` (begin with fixed, decorrelated patches; colour images of up to 48 pixels a side).
        channels, height, width: of the images it will take.
        classes: length of the logits.

    Raises:
        ModelError: unknown name (near ones are named), an option that it has not, or images that it cannot take.
    """
    _check_options(architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    if architecture in _OWN:
        entry = _OWN[architecture]
        return entry.build(**shape, **{"dropout": 0.0} | {entry.arguments[key]: options[key] for key in options})
    from forebay.models import torchvision_models

    return torchvision_models.build(architecture, dropout=options.get("dropout", 0.0), **shape)


def sketch(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> dict[str, tuple[int, ...]] | None:
    """The shapes of a network's weights by name, without memory for them; None where only building it tells.

    Raises:
        ModelError: as `build`, but for images that a torchvision model cannot take.
    """
    _check_options(architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    try:
        with torch.device("meta"):
            network = _sketched(architecture, options, shape)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, IndexError):
        return None
    return None if network is None else {name: tuple(each.shape) for name, each in network.state_dict().items()}


def _sketched(architecture: str, options: Mapping[str, Any], shape: Mapping[str, int]) -> nn.Module | None:
    if architecture in _OWN:
        return build(architecture, options, **shape)
    from forebay.models import torchvision_models

    return torchvision_models.sketch(architecture, dropout=options.get("dropout", 0.0), **shape)


def least_elements(architecture: str, options: Mapping[str, Any]) -> int:
    """Numbers that a network's weights surely have, known without building it.

    Raises:
        ModelError: unknown name, or an option that it has not.
    """
    _check_options(architecture, options)
    if architecture in _OWN:
        return int(options.get("width", 0)) ** 2  # both have a layer from so many to so many
    from forebay.models import torchvision_models

    return torchvision_models.least_elements(architecture)


def unknown_name(architecture: str, others: list[str]) -> ModelError:
    """The error for a name that nobody knows, with the nearest known ones."""
    near = difflib.get_close_matches(architecture, [*_OWN, *others], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return ModelError(
        f"There is no model {architecture!r}. {hint}Use {', '.join(_OWN)} or a torchvision classification model."
    )


def _check_options(architecture: str, options: Mapping[str, Any]) -> None:
    known = _OWN[architecture].arguments if architecture in _OWN else _TORCHVISION_OPTIONS
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ModelError(f"{architecture} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    if "width" in known and "width" not in options:
        raise ModelError(f"{architecture} needs the option width, the channels of its first stage.")
    for name, value in options.items():
        rule, right = _RULES[name]
        if not right(value):
            raise ModelError(f"{architecture}: the option {name} must be {rule}, is {value!r:.100}.")


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "dropout": ("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1),
    "width": (f"a whole number from 1 to {WIDEST}", lambda value: type(value) is int and 1 <= value <= WIDEST),
    "mirror": ("true or false", lambda value: type(value) is bool),
    "whiten": ("true or false", lambda value: type(value) is bool),
}
