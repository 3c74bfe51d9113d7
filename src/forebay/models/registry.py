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
    width_option: str | None  # the constructor's name for options["width"]


_OWN = {
    "mlp": _Entry(Mlp, "hidden"),
    "lenet5": _Entry(LeNet5, None),
    "resnet9": _Entry(ResNet9, "base"),
}


def build(
    architecture: str, options: Mapping[str, Any], channels: int, height: int, width: int, classes: int
) -> nn.Module:
    """Make an untrained network; its weights come from torch's global random generator.

    Args:
        architecture: `mlp`, `lenet5`, `resnet9` or a torchvision classification model.
        options: `dropout` (probability before the last layer) and, for mlp and resnet9, `width` (channels).
        channels, height, width: of the pictures it will take.
        classes: length of the logits.

    Raises:
        ModelError: unknown name (near ones are named), an option that it has not, or pictures that it cannot take.
    """
    _check_options(architecture, options)
    dropout = float(options.get("dropout", 0.0))
    shape = {"channels": channels, "height": height, "width": width, "classes": classes}
    entry = _OWN.get(architecture)
    if entry is None:
        from forebay.models import torchvision_models

        return torchvision_models.build(architecture, dropout=dropout, **shape)
    sized = {entry.width_option: int(options["width"])} if entry.width_option else {}
    return entry.build(**shape, **sized, dropout=dropout)


def has_width(architecture: str) -> bool:
    """Tell whether the architecture needs `options["width"]`."""
    return architecture in _OWN and _OWN[architecture].width_option is not None


def unknown_name(architecture: str, others: list[str]) -> ModelError:
    """The error for a name that nobody knows, with the nearest known ones."""
    near = difflib.get_close_matches(architecture, [*_OWN, *others], n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return ModelError(
        f"There is no model {architecture!r}. {hint}Use {', '.join(_OWN)} or a torchvision classification model."
    )


def _check_options(architecture: str, options: Mapping[str, Any]) -> None:
    known = {"dropout", "width"} if has_width(architecture) else {"dropout"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ModelError(f"{architecture} has no option {unknown[0]!r}; it has {', '.join(sorted(known))}.")
    if has_width(architecture) and "width" not in options:
        raise ModelError(f"{architecture} needs the option width, the channels of its first stage.")
