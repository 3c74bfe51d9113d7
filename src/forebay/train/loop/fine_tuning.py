"""Training from pretrained weights: which parameters learn when, and how fast.

First the last layer alone, on features that stay as they are; then all layers, the earlier the slower, because what
the first layers know is of use for all images (Howard & Ruder, "Universal language model fine-tuning", 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from forebay.models.layers import last_layers


@dataclass(frozen=True)
class FineTuning:
    """What is special about a network that began with pretrained weights."""

    fresh: frozenset[str]  # parameters that have none of these weights: the last layer, a first one of another size
    learning: frozenset[str]  # parameters that may learn at all
    layers: Mapping[str, int]  # the layer of each parameter, counted from the last

    @classmethod
    def of(cls, network: nn.Module, not_taken: Sequence[str]) -> Self:
        """Fine-tuning of a network into which weights were put; a last layer without them begins small.

        Args:
            network: with the weights.
            not_taken: names of tensors for which there were none.
        """
        for path, layer in last_layers(network).items():
            # timm begins some last layers so large that the first epochs only undo it
            if f"{path}.weight" in not_taken and isinstance(layer, nn.Linear | nn.Conv2d):
                layer.reset_parameters()
        head = {f"{path}.{name}" for path, layer in last_layers(network).items() for name in layer.state_dict()}
        fresh = frozenset(name for name, _ in network.named_parameters() if name in head or name in not_taken)
        learning = frozenset(name for name, parameter in network.named_parameters() if parameter.requires_grad)
        return cls(fresh, learning, layer_numbers(network, fresh))

    def begin_epoch(self, network: nn.Module, *, head_only: bool) -> None:
        """Set what learns in this epoch, and how the parts behave.

        Batch norm normalizes by the statistics that came with the weights all the time: those of a few small batches
        are much worse. While only the head learns, the rest is as in prediction, dropout included.
        """
        network.train(not head_only)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name in self.learning and (not head_only or name in self.fresh))
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        if head_only:
            for module in last_layers(network).values():
                module.train()


def layer_numbers(network: nn.Module, fresh: frozenset[str]) -> dict[str, int]:
    """The layer of each parameter, counted from the last one, which is 0.

    A layer here is what the network's own names number as one: a stage of a convolutional network, a block of a
    transformer. Norms by themselves belong to the layer before them. Fresh parameters count as the last layer.
    """
    layers: list[str] = []
    of: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        key = _layer_key(name)
        if key not in layers and (not layers or parameter.ndim > 1):
            layers.append(key)
        of[name] = layers.index(key) if key in layers else len(layers) - 1
    last = max((number for name, number in of.items() if name not in fresh), default=0) + 1
    return {name: 0 if name in fresh else last - number for name, number in of.items()}


def _layer_key(name: str) -> str:
    """`blocks.3.1.conv.weight` is of blocks.3, `layer4.0.bn1.weight` of layer4, `conv_stem.weight` of conv_stem."""
    parts = name.split(".")[:-1]
    numbered = next((index for index, part in enumerate(parts) if part[-1].isdigit()), 0)
    return ".".join(parts[: numbered + 1])
