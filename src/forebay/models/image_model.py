"""What a network of the user's own must be."""

from typing import Protocol

from torch import nn


class ImageModelFactory(Protocol):
    """A class or function that makes a network for images: what `train.model=net.py:Net` names.

    The network takes images as float32 (N, C, H, W), standardized: each channel has mean 0 and deviation 1 over the
    training rows. It returns logits, float32 (N, classes). All that changes while it trains is a parameter or a buffer.
    """

    def __call__(self, *, channels: int, height: int, width: int, classes: int) -> nn.Module:
        """Make an untrained network; its weights come from torch's global random generator.

        Args:
            channels: 1 for grey images, 3 for colour.
            height, width: size of the images in pixels.
            classes: length of the logits.
        """
