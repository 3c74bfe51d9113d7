"""timm's classification models, without downloaded weights, fitted to our images and classes."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.timm_import import import_timm

_TRIED_SIDES = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299, 384, 512)  # when looking for one that fits
_SIZE_ERRORS = (RuntimeError, ValueError, AssertionError, ArithmeticError, IndexError, TypeError)


def build(name: str, *, channels: int, height: int, width: int, classes: int, dropout: float) -> nn.Module:
    """Make a model with random weights; nothing is downloaded.

    Raises:
        ModelError: it cannot take such images or dropout; the message names a size that it can take.
    """
    problem = _size_problem(name, channels, height, width)
    if problem:
        raise ModelError(_cannot_take(name, channels, height, width, problem))
    return build_unchecked(name, channels=channels, height=height, width=width, classes=classes, dropout=dropout)


def build_unchecked(name: str, *, channels: int, height: int, width: int, classes: int, dropout: float) -> nn.Module:
    """As `build`, without looking whether the images fit.

    Raises:
        ModelError: the model has no dropout.
    """
    timm = import_timm()
    arguments: dict[str, Any] = {"num_classes": classes, "in_chans": channels}
    if timm.get_pretrained_cfg(name, allow_unregistered=False).fixed_input_size:
        arguments["img_size"] = (height, width)
    if not dropout:
        return timm.create_model(name, pretrained=False, **arguments)  # type: ignore[no-any-return]
    try:
        return timm.create_model(name, pretrained=False, drop_rate=dropout, **arguments)  # type: ignore[no-any-return]
    except TypeError as error:
        if "drop_rate" not in str(error):
            raise
        raise ModelError(f"{name} of timm has no dropout. Set train.dropout=0.") from error


def build_without_memory(
    name: str, *, channels: int, height: int, width: int, classes: int, dropout: float
) -> nn.Module | None:
    """Make a model on PyTorch's meta device; None where its constructor needs memory."""
    return build_unchecked(name, channels=channels, height=height, width=width, classes=classes, dropout=dropout)


def least_weight_count(name: str) -> int:
    """A lower bound of the number of weights; 0, because `build_without_memory` tells it exactly."""
    return 0


@cache
def list_names() -> tuple[str, ...]:
    """The names of timm's models."""
    names: Iterable[str] = import_timm().list_models()
    return tuple(sorted(names))


def _size_problem(name: str, channels: int, height: int, width: int) -> str | None:
    """Why the model cannot take such images, or None. Meta tensors tell it without computing anything."""
    try:
        with torch.device("meta"), torch.no_grad():
            model = build_unchecked(name, channels=channels, height=height, width=width, classes=2, dropout=0.0)
            model(torch.empty(2, channels, height, width, device="meta"))
    except _SIZE_ERRORS as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def _cannot_take(name: str, channels: int, height: int, width: int, problem: str) -> str:
    fitting = [side for side in _TRIED_SIDES if _size_problem(name, channels, side, side) is None]
    larger = [side for side in fitting if side >= max(height, width)]
    fix = f"Set ingest.size={larger[0]}x{larger[0]} or " if larger else "Set "
    smallest = f"the smallest square size it takes is {fitting[0]}x{fitting[0]}" if fitting else "no usual size fits it"
    return f"{name} cannot take {height}x{width} images ({problem}); {smallest}. {fix}train.model=resnet9."
