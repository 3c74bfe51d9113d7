"""An exponential moving average of the weights, after Polyak & Juditsky (1992) as image classifiers use it."""

import copy

import torch
from torch import nn

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
        trained = network.state_dict()
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(trained[name], share)
            else:
                tensor.copy_(trained[name])
