"""Fit the temperature of a trained network on validation rows: what `forebay.contracts.calibration` is about."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forebay.contracts.bundles.spec_rules import TEMPERATURES
from forebay.contracts.calibration import FEWEST_ROWS
from forebay.contracts.shards import DatasetSplit
from forebay.models.classifier import NetworkClassifier

MOST_ROWS = 8192  # one number needs no more, and rows, in the order of their digests, are a fair sample
MOST_LOGITS = 1 << 22  # bounds memory where there are many classes
DIGITS = 4  # decimal places; the last bits of logits do not count


def validation_temperature(classifier: NetworkClassifier, validation: DatasetSplit) -> float:
    """The temperature that gives the validation rows the lowest log loss; 1 where they are fewer than `FEWEST_ROWS`.

    Args:
        classifier: the trained network as it is served.
        validation: rows that it was not trained on.
    """
    rows = min(len(validation), MOST_ROWS, MOST_LOGITS // len(classifier.spec.classes))
    if rows < FEWEST_ROWS:
        return 1.0
    return fit_temperature(classifier.logits(validation.images_NHWC(0, rows)), validation.labels[:rows])


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Minimise the log loss of softmax(logits / temperature); a pure function.

    Where every row is right, the log loss alone would bring the temperature to 0. So one more row counts, which shows
    each class equally: where N rows of N are right by the same margin, the model is sure to (N + 1/K) / (N + 1).

    Args:
        logits: (N, K).
        labels: (N,).

    Returns:
        Within `TEMPERATURES`; 1 where no other gives these rows a lower log loss, or a logit is not finite.
    """
    rows = torch.from_numpy(logits).double()
    if not bool(torch.isfinite(rows).all()):
        return 1.0  # evaluate says what such a network is
    rows = rows - rows.amax(dim=1, keepdim=True)
    of_labels = rows.gather(1, torch.from_numpy(labels)[:, None]).sum()
    of_any = rows.mean()

    def log_loss(inverse: Tensor, extra_rows: int = 0) -> Tensor:
        normalizers = torch.logsumexp(rows * inverse, dim=1)
        extra = extra_rows * (normalizers.mean() - of_any * inverse)
        return (normalizers.sum() - of_labels * inverse + extra) / len(rows)

    least, most = TEMPERATURES
    inverse = _minimize(lambda inverse: log_loss(inverse, extra_rows=1))
    temperature = round(min(most, max(least, 1 / inverse if inverse > 0 else most)), DIGITS)
    better = log_loss(torch.tensor(1 / temperature).double()) < log_loss(torch.ones(()).double())
    return temperature if better else 1.0


def _minimize(loss: Callable[[Tensor], Tensor]) -> float:
    """Where a convex function of one float64 number is lowest."""
    value = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [value], max_iter=100, tolerance_grad=1e-10, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure() -> float:
        optimizer.zero_grad()
        found = loss(value)
        found.backward()  # type: ignore[no-untyped-call]
        return float(found.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(value.detach())
