"""An exponential moving average of the weights, after Polyak & Juditsky (1992) as image classifiers use it."""

import copy

import torch
from torch import Tensor, nn

EARLY_STEPS = 10  # the decay of step t is at most (1 + t) / (10 + t), so that the random start is soon forgotten


class WeightAverage:
    """A second network whose weights follow those of the trained one.

    The running statistics of batch norm are averaged as the weights are; other buffers, such as counters, are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after the optimizer's step number `step`, counted from 0."""
        share = 1 - min(self._decay, (1 + step) / (EARLY_STEPS + step))
        # Not the state dicts: they name a tensor that two layers share twice.
        for averaged, present in zip(_tensors(self.network), _tensors(network), strict=True):
            if averaged.is_floating_point():
                averaged.lerp_(present, share)
            else:
                averaged.copy_(present)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
