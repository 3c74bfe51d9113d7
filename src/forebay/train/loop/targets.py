"""The labels of a batch, mixed or not, and the loss against them."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Targets:
    """The class of each row; of a mixed row two classes and the share of the first."""

    labels: Tensor  # int64 (N,)
    others: Tensor | None = None  # int64 (N,); None where nothing is mixed
    shares: Tensor | None = None  # float32 (N,): share of `labels`, the rest is of `others`

    def part(self, rows: slice, device: str) -> "Targets":
        """The targets of some rows, on the device."""
        parts = (self.labels, self.others, self.shares)
        return Targets(*(None if each is None else each[rows].to(device, non_blocking=True) for each in parts))  # type: ignore[arg-type]

    @property
    def main_labels(self) -> Tensor:
        """The class with the larger share: what counts as a hit."""
        if self.others is None or self.shares is None:
            return self.labels
        return torch.where(self.shares >= 0.5, self.labels, self.others)

    def weight(self, class_weights: Tensor) -> Tensor:
        """The sum of the rows' class weights."""
        weights = class_weights.to(self.labels.device)
        if self.others is None or self.shares is None:
            return weights[self.labels].sum()
        return (self.shares * weights[self.labels] + (1 - self.shares) * weights[self.others]).sum()


def batch_loss(
    logits: Tensor, targets: Targets, whole: Targets, class_weights: Tensor | None, label_smoothing: float
) -> Tensor:
    """The cross entropy of some rows of a batch, as their part of the mean over the whole batch.

    A mixed row has a soft target; cross entropy is linear in the target, so it is the mean of the losses against both
    classes by their shares. Class weights and smoothing then mean what they mean for a single class.

    Args:
        logits: (N, K) of the rows.
        targets: of the same rows.
        whole: of all rows of the batch.
        class_weights: (K,) on the device, or None.
        label_smoothing: mass spread over the other classes.
    """
    if targets.others is None and len(targets.labels) == len(whole.labels):
        return cross_entropy(logits, targets.labels, class_weights, label_smoothing=label_smoothing)

    def losses(labels: Tensor) -> Tensor:
        return cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing, reduction="none")

    total = losses(targets.labels)
    if targets.others is not None and targets.shares is not None:
        total = targets.shares * total + (1 - targets.shares) * losses(targets.others)
    rows = len(whole.labels) if class_weights is None else whole.weight(class_weights).to(total.device)
    return total.sum() / rows
