"""resnet9, the default network. It takes standardized float (N, C, H, W) and returns logits (N, classes)."""

import torch
from torch import Tensor, nn

from forebay.errors import ModelError

WHITENING_SIDE = 2  # pixels; side of the patches that are whitened
WHITENING_FLOOR = 5e-4  # added to a patch direction's variance, so that noise is not amplified
LARGEST_STAGE = 48  # pixels; a strided stem brings larger images below this


class ResNet9(nn.Module):
    """A small residual network: eight 3x3 convolutions and one linear layer.

    After He et al., "Deep residual learning for image recognition" (2015), in the proportions of D. Page's
    "How to train your ResNet" (2018). Three stages double the channels and halve the image while it has at least
    4 pixels a side; pooling comes before batch norm, for a quarter of the memory traffic. Convolutions begin as the
    identity where they can. With `whiten` the first one is fixed and decorrelates small patches, which halves the
    epochs that colour photos need (both after Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024).
    """

    logit_scale = 0.125  # keeps the softmax soft in the first steps; from Page

    def __init__(
        self, *, channels: int, height: int, width: int, classes: int, base: int, dropout: float,
        mirror: bool = False, whiten: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mirror = mirror  # outside training, it answers with the mean over the image and its mirror image
        stride = _stem_stride(min(height, width))
        if whiten and stride > 1:
            raise ModelError(f"resnet9 whitens images of up to {LARGEST_STAGE} pixels a side, not {height}x{width}.")
        side = min(height, width) - WHITENING_SIDE + 1 if whiten else -(-min(height, width) // stride)
        pools = [side >> stage >= 4 for stage in range(3)]
        self.stem: nn.Module = _WhitenedPatches(channels) if whiten else _convolution(channels, base, stride=stride)
        stem_channels = self.stem.outputs if isinstance(self.stem, _WhitenedPatches) else base
        self.stage1 = nn.Sequential(_convolution(stem_channels, 2 * base, pool=pools[0]), _ResidualBlock(2 * base))
        self.stage2 = _convolution(2 * base, 4 * base, pool=pools[1])
        self.stage3 = nn.Sequential(_convolution(4 * base, 8 * base, pool=pools[2]), _ResidualBlock(8 * base))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(8 * base, classes, bias=False))

    def fit_whitening(self, images_NCHW: Tensor) -> None:
        """Compute the whitening, where there is one, from standardized images of the training rows."""
        if isinstance(self.stem, _WhitenedPatches):
            self.stem.fit(images_NCHW)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Compute logits (N, classes)."""
        if self.mirror and not self.training:
            return (self._logits(images_NCHW) + self._logits(images_NCHW.flip(3))) / 2
        return self._logits(images_NCHW)

    def _logits(self, images_NCHW: Tensor) -> Tensor:
        features = self.stage3(self.stage2(self.stage1(self.stem(images_NCHW))))
        logits: Tensor = self.head(torch.amax(features, dim=(2, 3)))
        return logits * self.logit_scale


class _WhitenedPatches(nn.Module):
    """Projects patches on the directions in which they vary, at unit variance, positive and negative parts apart.

    The weights are computed from the data before training and stay fixed; the biases are trained.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.outputs = 2 * channels * WHITENING_SIDE**2
        self.convolution = nn.Conv2d(channels, self.outputs, WHITENING_SIDE)
        self.convolution.weight.requires_grad_(False)
        nn.init.zeros_(self.convolution.bias)  # type: ignore[arg-type]

    def fit(self, images_NCHW: Tensor) -> None:
        """Compute the directions from these images."""
        side, channels = WHITENING_SIDE, images_NCHW.shape[1]
        patches = images_NCHW.double().unfold(2, side, 1).unfold(3, side, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        flat = patches.flatten(1)
        variances, directions = torch.linalg.eigh(flat.T @ flat / len(flat))
        filters = (directions / (variances + WHITENING_FLOOR).sqrt()).T.reshape(-1, channels, side, side)
        with torch.no_grad():
            self.convolution.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return torch.relu(self.convolution(images_NCHW))


class _ResidualBlock(nn.Module):
    """Adds the output of two convolutions to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, features_NCHW: Tensor) -> Tensor:
        return features_NCHW + self.body(features_NCHW)  # type: ignore[no-any-return]


def _convolution(inputs: int, outputs: int, *, stride: int = 1, pool: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    nn.init.dirac_(convolution.weight.data[:inputs])
    return nn.Sequential(
        convolution,
        nn.MaxPool2d(2) if pool else nn.Identity(),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _stem_stride(side: int) -> int:
    stride = 1
    while side / stride > LARGEST_STAGE:
        stride *= 2
    return stride
