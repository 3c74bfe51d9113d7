"""What torchvision's and timm's classification models have in common: they are fitted to our images and classes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from forebay.errors import ModelError
from forebay.models.stem import SMALL_SIDE, fit_stem
from forebay.settings.model_names import DEFAULT_MODEL, catalogue_entry

STEMS = ("own", "small")
NO_LOGITS = "it gives no logits"
# What a library's constructor or network raises where the images do not fit; meta tensors tell it without memory.
MISFIT_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """What a network takes, and the length of its logits."""

    channels: int
    height: int
    width: int
    classes: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class LibraryModels(ABC):
    """The classification models of one library."""

    library: str
    stem_pools: tuple[str, ...]  # paths of the pooling that follows a strided stem

    @abstractmethod
    def list_names(self) -> Sequence[str]:
        """The names of the installed version, sorted."""

    @abstractmethod
    def make(self, name: str, shape: NetworkShape, dropout: float) -> nn.Module:
        """A network with random weights as the library makes it; nothing is downloaded."""

    @abstractmethod
    def has_fixed_size(self, name: str) -> bool:
        """Whether a network is built for one size of images."""

    def shape_rule(self, name: str, network: nn.Module, shape: NetworkShape) -> str:
        """What else the library wants of the images, that its network does not refuse by itself."""
        return ""

    def build(self, name: str, shape: NetworkShape, dropout: float = 0.0, stem: str = "") -> nn.Module:
        """Make a network with random weights.

        Args:
            name: one of `list_names`.
            shape: of images and logits.
            dropout: probability before the last layer.
            stem: one of `STEMS`; empty for the small one below 64 pixels a side, and for the other one where only
                that fits the images.

        Raises:
            ModelError: it cannot take such images; the message names the smallest size that it takes.
        """
        problem, chosen = self._choose(name, shape, stem)
        if problem:
            raise ModelError(self._refusal(name, shape, problem))
        network = self.make(name, shape, dropout)
        self.fit_stem(network, shape, chosen)
        return network

    def problem(self, name: str, shape: NetworkShape) -> str:
        """Why a network cannot take such images; empty where it can."""
        return self._choose(name, shape, "")[0]

    def _choose(self, name: str, shape: NetworkShape, stem: str) -> tuple[str, str]:
        """As `find_stem`; remembered, because a bundle's network is built twice, once without memory for it."""
        return _found_stem(self, name, shape, stem)

    def find_stem(self, name: str, shape: NetworkShape, stem: str) -> tuple[str, str]:
        """Why no stem fits, and the stem that does. The images decide, so a bundle always gets the same one."""
        small_first = min(shape.height, shape.width) < SMALL_SIDE
        order = [stem] if stem else sorted(STEMS, reverse=small_first)
        problem = ""
        for each in order:
            problem, has_small_stem = self._misfit(name, shape, each)
            if not problem:
                return "", each
            if not has_small_stem:
                break
        return problem, ""

    def _misfit(self, name: str, shape: NetworkShape, stem: str) -> tuple[str, bool]:
        """Why the network with this stem cannot take such images, and whether the stem makes a difference."""
        strided = False
        try:
            with torch.device("meta"), torch.no_grad():
                network = self.make(name, shape, 0.0)
                strided = self.fit_stem(network, shape, stem)
                if problem := self.shape_rule(name, network, shape):
                    return problem, strided
                logits = network(torch.empty(2, shape.channels, shape.height, shape.width, device="meta"))
        except MISFIT_ERRORS as error:
            return str(error).strip().partition("\n")[0] or type(error).__name__, strided
        right = isinstance(logits, torch.Tensor) and logits.shape == (2, shape.classes)
        return "" if right else NO_LOGITS, strided

    def fit_stem(self, network: nn.Module, shape: NetworkShape, stem: str) -> bool:
        """As `stem.fit_stem`, with one of `STEMS`."""
        return fit_stem(network, shape.channels, small=stem == "small", pools=self.stem_pools)

    def _refusal(self, name: str, shape: NetworkShape, problem: str) -> str:
        entry = catalogue_entry(self.library, name)
        sides = [entry.smallest, entry.next_side(max(shape.height, shape.width))] if entry else []
        known = all(not self.problem(name, _square(shape, side)) for side in sides)  # of another version than ours?
        if not sides or not known:
            return f"{name} cannot take {shape} images ({problem}). Set train.model={DEFAULT_MODEL}."
        smallest, larger = (f"{side}x{side}" for side in sides)
        return (
            f"{name} cannot take {shape} images ({problem}); the smallest square size it takes is {smallest}. "
            f"Set ingest.size={larger} or train.model={DEFAULT_MODEL}."
        )


def _square(shape: NetworkShape, side: int) -> NetworkShape:
    return NetworkShape(channels=shape.channels, height=side, width=side, classes=shape.classes)


@lru_cache(maxsize=64)
def _found_stem(models: LibraryModels, name: str, shape: NetworkShape, stem: str) -> tuple[str, str]:
    return models.find_stem(name, shape, stem)
