"""Stochastic depth in networks of any library: in training, a row skips a residual block with some probability.

After Huang et al., "Deep networks with stochastic depth" (2016). The blocks of timm keep a place for it (`drop_path`,
`drop_path1`, …) that is empty by default, those of torchvision a module whose probability can be changed. Neither has
weights, so a bundle says nothing of it.
"""

import re
from collections.abc import Iterator

from torch import Tensor, nn

from forebay.errors import ModelError

_TIMM_PLACE = re.compile(r"drop_path\d*")
_TORCHVISION_MODULE = "StochasticDepth"


class RowDrop(nn.Module):
    """In training, makes some rows zero and scales the others so that the mean stays."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, features: Tensor) -> Tensor:
        """Drop rows of (N, …)."""
        if not self.training or self.probability == 0:
            return features
        kept = features.new_empty((len(features),) + (1,) * (features.ndim - 1)).bernoulli_(1 - self.probability)
        return features * kept / (1 - self.probability)


def set_drop_path(network: nn.Module, probability: float, name: str) -> None:
    """Set the probability of the last block; it grows in equal steps from 0 in the first one.

    Raises:
        ModelError: no block of the network can be skipped.
    """
    blocks = [(module, places) for module in network.modules() if (places := list(_places(module)))]
    if not blocks and probability:
        raise ModelError(
            f"{name} has no blocks that a row can skip; ConvNeXt, EfficientNet, Swin, and timm's ResNet and ViT have. "
            "Set train.drop_path=auto, or use train.dropout."
        )
    for index, (module, places) in enumerate(blocks):
        share = probability * (index / (len(blocks) - 1) if len(blocks) > 1 else 1)
        for place in places:
            present = getattr(module, place)
            if type(present).__name__ == _TORCHVISION_MODULE:
                present.p = share
            else:
                setattr(module, place, RowDrop(share))


def _places(block: nn.Module) -> Iterator[str]:
    """The attributes of a block in which stochastic depth is, or would be."""
    if not (getattr(block, "has_skip", True) and getattr(block, "use_res_connect", True)):
        return  # blocks of EfficientNet that change the size have no way around
    for name, child in block.named_children():
        if type(child).__name__ == _TORCHVISION_MODULE or _TIMM_PLACE.fullmatch(name):
            yield name
    yield from (name for name, value in vars(block).items() if value is None and _TIMM_PLACE.fullmatch(name))
