"""Trials are compared by the validation loss at the best temperature, so that confidence alone wins nothing."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from forebay.tuning.objective import mean_difference, score

RNG = np.random.default_rng(3)
LABELS = RNG.integers(0, 4, 200)
LOGITS = RNG.normal(0, 1, (200, 4)) + 1.5 * np.eye(4)[LABELS]


def test_the_loss_is_the_smallest_that_a_temperature_gives() -> None:
    def loss(log_temperature: float) -> float:
        scaled = log_softmax(LOGITS / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(200), LABELS].mean())

    wanted = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    assert abs(score(LOGITS, LABELS).loss - wanted.fun) < 1e-7


def test_confidence_and_a_shift_of_all_logits_change_nothing() -> None:
    plain = score(LOGITS, LABELS)
    for other in (LOGITS * 3, LOGITS / 5, log_softmax(LOGITS, axis=1)):
        assert abs(score(other, LABELS).loss - plain.loss) < 1e-7
    assert plain.accuracy == (LOGITS.argmax(1) == LABELS).mean()


def test_a_network_that_is_always_right_has_a_finite_loss() -> None:
    assert 0 <= score(100 * np.eye(4)[LABELS], LABELS).loss < 1e-6


def test_a_difference_comes_with_its_standard_error() -> None:
    first, second = RNG.normal(1.0, 0.1, 100), RNG.normal(0.7, 0.1, 100)
    mean, error = mean_difference(first, second)
    assert abs(mean - (first.mean() - second.mean())) < 1e-12
    assert abs(error - (first - second).std(ddof=1) / 10) < 1e-12
    assert mean_difference(first[:1], second[:1])[1] == 0.0
