"""Optimizer, learning-rate schedule and loss weights."""

import math

import torch
from torch import Tensor, nn

from forebay.train.resolve import Resolved

WARMUP = 0.2  # of all steps, for onecycle
MOMENTUM = 0.9


def make_optimizer(network: nn.Module, settings: Resolved) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW; only matrices and kernels decay, not biases and norms."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate(schedule: str, peak: float, step: int, total: int) -> float:
    """The rate of a step (0-based).

    Args:
        schedule: `onecycle` rises to the peak and falls to zero in straight lines (after Smith & Topin,
            "Super-convergence", 2017), `cosine` falls from the peak (Loshchilov & Hutter, "SGDR", 2016), `constant`
            stays.
        peak: largest rate.
        step, total: this step and the number of steps.
    """
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * step / total))
    warmup = max(1.0, WARMUP * total)
    return peak * min((step + 1) / warmup, (total - step) / max(1.0, total - warmup), 1.0)


def class_weights(kind: str, class_rows: list[int]) -> Tensor | None:
    """Weights of the loss per class: inverse frequency with mean 1 over the rows, or None for none."""
    if kind == "none":
        return None
    rows = torch.tensor(class_rows, dtype=torch.float32)
    weights = rows.sum() / (len(class_rows) * rows.clamp(min=1))
    return torch.where(rows > 0, weights, 0.0)
