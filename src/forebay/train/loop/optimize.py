"""Optimizer, learning-rate schedule and loss weights."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from forebay.train.plan.resolved_settings import ResolvedSettings

MOMENTUM = 0.9


def make_optimizer(
    network: nn.Module, settings: ResolvedSettings, layers: Mapping[str, int] | None = None
) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; weight decay acts on matrices and kernels, not on biases and norms.

    Args:
        network: its parameters that learn are taken.
        settings: of the training.
        layers: the layer of each parameter by name, counted from the last, where the learning rate falls from layer to
            layer; the `scale` of a group is its rate as a part of the last layer's. None for one rate for all.
    """
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = []
    for number in sorted({layers[name] for name, _ in named}) if layers else (0,):
        parameters = [parameter for name, parameter in named if not layers or layers[name] == number]
        scale = settings.layer_decay**number
        matrices = [each for each in parameters if each.ndim > 1]
        others = [each for each in parameters if each.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": settings.weight_decay, "scale": scale})
        groups.append({"params": others, "weight_decay": 0.0, "scale": scale})
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(schedule: str, peak: float, step: int, total: int, warmup: float) -> float:
    """The learning rate of a step, counted from 0.

    Args:
        schedule: behind the warm-up `onecycle` falls to zero in a straight line (after Smith & Topin,
            "Super-convergence", 2017), `cosine` along half a wave (Loshchilov & Hutter, "SGDR", 2016), `constant`
            stays.
        peak: the largest rate.
        step, total: this step and the total number of steps.
        warmup: part of all steps in which the rate rises to the peak in a straight line.
    """
    rising = max(1.0, warmup * total)
    if schedule == "onecycle":
        return peak * min((step + 1) / rising, (total - step) / max(1.0, total - rising), 1.0)
    if step + 1 < rising:
        return peak * (step + 1) / rising
    if schedule == "constant":
        return peak
    first = warmup * total
    return peak * 0.5 * (1 + math.cos(math.pi * max(0.0, step - first) / (total - first)))


def class_weights(kind: str, class_rows: list[int]) -> Tensor | None:
    """The loss weight of each class: its inverse frequency, with mean 1 over the rows. None where `kind` is none."""
    if kind == "none":
        return None
    rows = torch.tensor(class_rows, dtype=torch.float32)
    weights = rows.sum() / (len(class_rows) * rows.clamp(min=1))
    return torch.where(rows > 0, weights, 0.0)
