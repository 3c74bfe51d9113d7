"""From a name to a network of the right shape. To add a network of ours: one entry in `_OWN`."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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


def build(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> nn.Module:
    """Make an untrained network; its weights come from torch's global random generator.

    Args:
        architecture: `mlp`, `lenet5`, `resnet9` or a torchvision classification model.
        options: `dropout` (probability before the last layer); for mlp and resnet9 `width` (channels of the first
            stage, required); for resnet9 `mirror` (answer with the mean over the picture and its mirror image)
            and `whiten` (begin with fixed, decorrelated patches; colour pictures of up to 48 pixels a side).
        channels, height, width: of the pictures it will take.
        classes: length of the logits.

    Raises:
        ModelError: unknown name (near ones are named), an option that it has not, or pictures that it cannot take.
    """
    _check_options(architecture, options)
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    if architecture in _OWN:
        entry = _OWN[architecture]
        return entry.build(**shape, **{"dropout": 0.0} | {entry.arguments[key]: options[key] for key in options})
    from forebay.models import torchvision_models

    return torchvision_models.build(architecture, dropout=options.get("dropout", 0.0), **shape)


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
