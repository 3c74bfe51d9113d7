"""Our own networks. Each takes standardized float (N, C, H, W) and returns logits (N, classes)."""

from math import prod

import torch
from torch import Tensor, nn

from forebay.errors import ModelError

LARGEST_STAGE = 48  # pixels; resnet9 sees larger pictures through a strided stem that brings them below this


class Mlp(nn.Sequential):
    """Two hidden layers with batch norm."""

    def __init__(self, *, channels: int, height: int, width: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.Flatten(),
            *_hidden_layer(prod((channels, height, width)), hidden),
            *_hidden_layer(hidden, hidden),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )


class LeNet5(nn.Sequential):
    """The classic of LeCun et al., "Gradient-based learning applied to document recognition" (1998).

    ReLU and max pooling stand for the original's tanh and trained pooling, and both convolutions keep the size, so
    that pictures of 4x4 and up fit.
    """

    def __init__(self, *, channels: int, height: int, width: int, classes: int, dropout: float) -> None:
        if min(height, width) < 4:
            raise ModelError(_too_small("lenet5", height, width, 4))
        super().__init__(
            nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * (height // 4) * (width // 4), 120), nn.ReLU(),
            nn.Linear(120, 84), nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(84, classes),
        )  # fmt: skip


class ResNet9(nn.Module):
    """A small residual network: eight 3x3 convolutions and one linear layer.

    After He et al., "Deep residual learning for image recognition" (2015), in the proportions of D. Page's
    "How to train your ResNet" (2018). Three stages double the channels and halve the picture while it has at least
    4 pixels a side; pooling comes before batch norm, for a quarter of the memory traffic.
    """

    logit_scale = 0.125  # keeps the softmax soft in the first steps; from Page

    def __init__(
        self, *, channels: int, height: int, width: int, classes: int, base: int, dropout: float, mirror: bool = False
    ) -> None:
        super().__init__()
        self.mirror = mirror  # outside training, answer with the mean over the picture and its mirror image
        stride = _stem_stride(min(height, width))
        side = -(-min(height, width) // stride)
        pools = [side >> stage >= 4 for stage in range(3)]
        self.stem = _convolution(channels, base, stride=stride)
        self.stage1 = nn.Sequential(_convolution(base, 2 * base, pool=pools[0]), _Residual(2 * base))
        self.stage2 = _convolution(2 * base, 4 * base, pool=pools[1])
        self.stage3 = nn.Sequential(_convolution(4 * base, 8 * base, pool=pools[2]), _Residual(8 * base))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * base, classes, bias=False))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits (N, classes)."""
        if self.mirror and not self.training:
            return (self._logits(images_NCHW) + self._logits(images_NCHW.flip(3))) / 2
        return self._logits(images_NCHW)

    def _logits(self, images_NCHW: Tensor) -> Tensor:
        features = self.stage3(self.stage2(self.stage1(self.stem(images_NCHW))))
        logits: Tensor = self.head(torch.amax(features, dim=(2, 3)))
        return logits * self.logit_scale


class _Residual(nn.Module):
    """Adds two convolutions to what comes in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, features_NCHW: Tensor) -> Tensor:
        return features_NCHW + self.body(features_NCHW)  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, *, stride: int = 1, pool: bool = False) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.MaxPool2d(2) if pool else nn.Identity(),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _hidden_layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()


def _stem_stride(side: int) -> int:
    stride = 1
    while side / stride > LARGEST_STAGE:
        stride *= 2
    return stride


def _too_small(name: str, height: int, width: int, smallest: int) -> str:
    return (
        f"{name} cannot take {height}x{width} pictures; the smallest it takes is {smallest}x{smallest}. "
        f"Set ingest.size={smallest}x{smallest} or train.model=mlp."
    )
