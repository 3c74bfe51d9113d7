"""torchvision's classification models, without downloaded weights, fitted to our images and classes."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from forebay.models.library_models import LibraryModels, NetworkShape
from forebay.models.torchvision_import import import_torchvision
from forebay.settings import model_names


class TorchvisionModels(LibraryModels):
    """They take neither channels nor dropout as arguments, so both are fitted here."""

    library = model_names.TORCHVISION
    stem_pools = ("maxpool", "maxpool1", "features.pool0")  # of resnets, shufflenets, googlenet and densenets

    def list_names(self) -> Sequence[str]:
        """The names of torchvision's classification models."""
        torchvision = import_torchvision()
        return sorted(torchvision.models.list_models(module=torchvision.models))

    def make(self, name: str, shape: NetworkShape, dropout: float) -> nn.Module:
        """A network with random weights, for colour images."""
        torchvision = import_torchvision()
        with warnings.catch_warnings(), _CountsInMemory() if name.startswith("regnet") else nullcontext():
            warnings.simplefilter("ignore", FutureWarning)  # inception announces a change of its initialisation
            network: nn.Module = torchvision.models.get_model(
                name, weights=None, num_classes=shape.classes, **_own_arguments(name, shape)
            )
        if dropout:
            _add_dropout(network, shape.classes, dropout)
        return network

    def has_fixed_size(self, name: str) -> bool:
        """Networks whose constructor takes a size."""
        return name.startswith(("vit_", "maxvit"))

    def shape_rule(self, name: str, network: nn.Module, shape: NetworkShape) -> str:
        """ViT's constructor takes one side only."""
        return "it takes square images only" if name.startswith("vit_") and shape.height != shape.width else ""


MODELS = TorchvisionModels()


class _CountsInMemory(TorchFunctionMode):
    """Keeps counts off PyTorch's meta device, because the constructor of regnets reads them back."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        device = {"device": "cpu"} if func in (torch.arange, torch.tensor) else {}
        return func(*args, **{**device, **(kwargs or {})})


def _own_arguments(name: str, shape: NetworkShape) -> dict[str, Any]:
    if name.startswith("vit_"):
        return {"image_size": shape.height}
    if name.startswith("maxvit"):
        return {"input_size": (shape.height, shape.width)}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    return {}


def _add_dropout(model: nn.Module, classes: int, dropout: float) -> None:
    last = [
        (path, module)
        for path, module in model.named_modules()
        if classes in (getattr(module, "out_features", None), getattr(module, "out_channels", None))
    ]
    path, module = last[-1]
    model.set_submodule(path, nn.Sequential(nn.Dropout(dropout), module))
