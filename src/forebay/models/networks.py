"""Our own small networks. Each takes standardized float (N, C, H, W) and returns logits (N, classes)."""

from math import prod

from torch import nn

from forebay.errors import ModelError


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
    """The network of LeCun et al., "Gradient-based learning applied to document recognition" (1998).

    ReLU and max pooling replace the original's tanh and trained pooling, and both convolutions keep the size, so that
    images of 4x4 and up fit.
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


def _hidden_layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()


def _too_small(name: str, height: int, width: int, smallest: int) -> str:
    return (
        f"{name} cannot take {height}x{width} images; the smallest it takes is {smallest}x{smallest}. "
        f"Set ingest.size={smallest}x{smallest} or train.model=mlp."
    )
