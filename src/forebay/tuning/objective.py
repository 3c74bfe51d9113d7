"""What trials are compared by: the loss of the validation rows, whatever the network's confidence.

Accuracy on a few hundred rows moves in steps that are larger than most differences between settings. The loss is finer,
but label smoothing and mixup make a network less sure of itself, which changes its loss and not its ranking. So the
logits are divided by the one temperature at which the loss is smallest (Guo et al., "On calibration of modern neural
networks", 2017), for every trial alike. That one is exact and without the extra row and the rounding of the temperature
that a bundle records (`forebay.train.calibration`): here the same logits at any scale must give the same loss.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec_rules import TEMPERATURES

_ROUNDS = 40  # of golden section: a thousandth of a percent of the temperature
_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Score:
    """How a network did on validation rows."""

    losses: NDArray[np.float64]  # (N,) in nats, at the best temperature
    accuracy: float

    @property
    def loss(self) -> float:
        """Their mean."""
        return float(self.losses.mean())


def score(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> Score:
    """Score logits (N, K), or logarithms of probabilities, for labels (N,); N is at least 1."""
    exact = logits.astype(np.float64)
    low, high = np.log(TEMPERATURES)
    for _ in range(_ROUNDS):  # the loss has one minimum over the logarithm of the temperature
        inner_low, inner_high = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _losses(exact, labels, inner_low).mean() <= _losses(exact, labels, inner_high).mean():
            high = inner_high
        else:
            low = inner_low
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return Score(_losses(exact, labels, (low + high) / 2), accuracy)


def _losses(logits: NDArray[np.float64], labels: NDArray[np.int64], log_temperature: float) -> NDArray[np.float64]:
    scaled = logits / np.exp(log_temperature)
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    own: NDArray[np.float64] = scaled[np.arange(len(labels)), labels]
    total: NDArray[np.float64] = np.log(np.exp(scaled).sum(axis=1))
    return total - own


def mean_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """The mean of `first - second`, row by row, and its standard error."""
    difference = first - second
    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return float(difference.mean()), float(error)
