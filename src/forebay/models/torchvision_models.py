"""torchvision's classification models, without downloaded weights, fitted to our images and classes."""

import warnings
from typing import Any

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.torchvision_import import import_torchvision

SMALL_SIDE = 64  # pixels; in smaller images, a stem made for 224x224 would throw most of the detail away
_TRIED_SIDES = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 299, 384, 512)  # when looking for one that fits


def build(name: str, *, channels: int, height: int, width: int, classes: int, dropout: float) -> nn.Module:
    """Make a model with random weights.

    Images under 64 pixels get a 3x3 stem of stride 1 without pooling, as He et al. (2015) use for CIFAR-10, where
    the model begins with an overlapping strided convolution.

    Raises:
        ModelError: it cannot take such images; the message names a size that it can take.
    """
    problem = _size_problem(name, channels, height, width)
    if problem:
        raise ModelError(_cannot_take(name, channels, height, width, problem))
    return _build_adapted(name, channels, height, width, classes, dropout)


def build_without_memory(
    name: str, *, channels: int, height: int, width: int, classes: int, dropout: float
) -> nn.Module | None:
    """Make a model on PyTorch's meta device; None where its constructor needs memory."""
    return None if _needs_memory(name) else _build_adapted(name, channels, height, width, classes, dropout)


def least_weight_count(name: str) -> int:
    """A lower bound of the number of weights; 0 where `build_without_memory` tells it exactly."""
    if not _needs_memory(name):
        return 0
    weights = import_torchvision().models.get_model_weights(name)
    return int(next(iter(weights)).meta["num_params"]) // 2  # fewer classes and grey images need fewer


def _needs_memory(name: str) -> bool:
    return name.startswith("regnet")  # its constructor reads numbers back from tensors


def list_names() -> list[str]:
    """The names of torchvision's classification models."""
    torchvision = import_torchvision()
    return sorted(torchvision.models.list_models(module=torchvision.models))


def _build_adapted(name: str, channels: int, height: int, width: int, classes: int, dropout: float) -> nn.Module:
    torchvision = import_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # inception announces a change of its initialisation
        model: nn.Module = torchvision.models.get_model(
            name, weights=None, num_classes=classes, **_own_arguments(name, height, width)
        )
    _fit_stem(model, channels, small=min(height, width) < SMALL_SIDE)
    if dropout:
        _add_dropout(model, classes, dropout)
    return model


def _own_arguments(name: str, height: int, width: int) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": height}
    if name.startswith("maxvit"):
        return {"input_size": (height, width)}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    return {}


def _fit_stem(model: nn.Module, channels: int, *, small: bool) -> None:
    path, stem = next((path, module) for path, module in model.named_modules() if isinstance(module, nn.Conv2d))
    overlapping = small and stem.stride[0] > 1 and stem.kernel_size[0] > stem.stride[0]
    if channels == stem.in_channels and not overlapping:
        return
    shape = {"kernel_size": 3, "stride": 1, "padding": 1} if overlapping else {
        "kernel_size": stem.kernel_size, "stride": stem.stride, "padding": stem.padding,
    }  # fmt: skip
    model.set_submodule(path, nn.Conv2d(channels, stem.out_channels, **shape, bias=stem.bias is not None))
    if overlapping:
        _drop_stem_pool(model)


def _drop_stem_pool(model: nn.Module) -> None:
    """Remove the pooling behind the stem, by the names that resnets, shufflenets, googlenet and densenets give it."""
    for path in ("maxpool", "maxpool1", "features.pool0"):
        if path in dict(model.named_modules()):
            model.set_submodule(path, nn.Identity())


def _add_dropout(model: nn.Module, classes: int, dropout: float) -> None:
    last = [
        (path, module)
        for path, module in model.named_modules()
        if classes in (getattr(module, "out_features", None), getattr(module, "out_channels", None))
    ]
    path, module = last[-1]
    model.set_submodule(path, nn.Sequential(nn.Dropout(dropout), module))


def _size_problem(name: str, channels: int, height: int, width: int) -> str | None:
    """Why the model cannot take such images, or None. Meta tensors tell it without computing anything."""
    if name.startswith("vit_") and height != width:
        return "it takes square images only"
    built_on = "cpu" if _needs_memory(name) else "meta"
    try:
        with torch.device(built_on), torch.no_grad():
            model = _build_adapted(name, channels, height, width, 2, 0.0).to("meta")
            model(torch.empty(2, channels, height, width, device="meta"))
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, IndexError) as error:
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


def _cannot_take(name: str, channels: int, height: int, width: int, problem: str) -> str:
    fitting = [side for side in _TRIED_SIDES if _size_problem(name, channels, side, side) is None]
    larger = [side for side in fitting if side >= max(height, width)]
    fix = f"Set ingest.size={larger[0]}x{larger[0]} or " if larger else "Set "
    smallest = f"the smallest square size it takes is {fitting[0]}x{fitting[0]}" if fitting else "no usual size fits it"
    return f"{name} cannot take {height}x{width} images ({problem}); {smallest}. {fix}train.model=resnet9."
