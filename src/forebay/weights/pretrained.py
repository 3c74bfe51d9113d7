"""Weights that somebody trained before, and the images that they were trained on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """What the images of a backbone's training were like."""

    height: int  # pixels
    width: int
    mean: tuple[float, ...]  # per channel, in 0..1 units
    std: tuple[float, ...]
    interpolation: str  # bilinear, bicubic or nearest: how images were brought to that size

    def for_channels(self, channels: int) -> tuple[list[float], list[float]]:
        """Mean and standard deviation for images of so many channels; grey images get the colours' average."""
        if channels == len(self.mean):
            return list(self.mean), list(self.std)
        mean, std = sum(self.mean) / len(self.mean), sum(self.std) / len(self.std)
        return [mean] * channels, [std] * channels


@dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """A safetensors file on this machine and where it is from."""

    path: Path
    sha256: str  # of the file at `path`
    source: str  # for people: the package, hub repository, address or version that it was taken from
    library: str  # forebay, torchvision or timm; empty where nobody says
    architecture: str  # the library's name of the network; empty where nobody says
    input: InputFormat | None = None  # None where nobody says
    options: dict[str, Any] = field(default_factory=dict)  # of the architecture, where a registered version has some
    registered: bool = False  # a version of ours, whose network saw images of exactly the size of `input`
