"""A network for Forebay: a small convolutional one, which learns as it is. Put your own layers in its place.

    forebay run --model mynet.py:MyNet

The text of this file travels with the run, also into containers and pods. Files beside it do not: import only what is
installed where the steps run. The server runs none of this code: it gets the trained network as a graph (ONNX), whose
answers are compared with those of this module on images that training has not seen.
"""

import torch
from torch import nn


class MyNet(nn.Module):
    """What `train.model` names. A function that returns an `nn.Module` would do as well."""

    def __init__(self, *, channels: int, height: int, width: int, classes: int) -> None:
        """Make an untrained network for the data; the seed of the run decides its weights.

        Args:
            channels: 1 for grey images, 3 for colour.
            height, width: size of the images in pixels, as ingest stored them.
            classes: number of classes.
        """
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            # Halve the image while it is large enough: this file runs on digits of 8x8 pixels too.
            nn.MaxPool2d(2) if min(height, width) >= 4 else nn.Identity(),
            nn.Conv2d(32, 64, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(64, classes)

    def forward(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """One logit per class: float32 (N, classes).

        The images are float32 (N, channels, height, width), standardized: each channel has mean 0 and deviation 1 over
        the training rows. The loss applies softmax, so the network does not. Work on the whole batch, with torch
        alone and without branches on values: else the graph cannot be written, and the message names the line.
        """
        logits: torch.Tensor = self.head(self.features(images_NCHW).flatten(1))
        return logits
