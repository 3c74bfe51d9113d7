"""The rows that several trainings all held out, as one split."""

import hashlib
import random

import numpy as np
import pytest

from forebay.contracts.holdout import HELD_OUT, common_holdout, held_out_rows, split_exceptions

ROWS = np.stack([np.frombuffer(hashlib.sha256(str(row).encode()).digest(), np.uint8) for row in range(400)])


def _split(seed: int, holdout: float, moved: float) -> tuple[float, dict[str, list[str]]]:
    """A hash split of these rows in which some lie on the other side."""
    chance = np.random.default_rng(seed).random(len(ROWS))
    below = held_out_rows(ROWS, holdout, {})
    return holdout, split_exceptions(ROWS, np.where(chance < moved, ~below, below), holdout)


@pytest.mark.parametrize("seed", range(20))
def test_what_every_split_held_out_is_one_split_exactly(seed: int) -> None:
    choice = random.Random(seed)
    splits = [
        _split(seed * 10 + number, choice.choice([0.1, 0.15, 0.3, 0.5]), choice.choice([0.0, 0.1, 0.4]))
        for number in range(choice.randint(1, 4))
    ]
    expected = np.logical_and.reduce([held_out_rows(ROWS, holdout, moved) for holdout, moved in splits])
    np.testing.assert_array_equal(held_out_rows(ROWS, *common_holdout(splits)), expected)
    assert expected.any() or len(splits) > 2


def test_the_smallest_holdout_counts_and_older_splits_have_no_exceptions() -> None:
    holdout, moved = common_holdout([(0.3, {}), (0.2, {})])
    assert holdout == 0.2
    assert moved[HELD_OUT] == []
