"""When a training is said to over-fit, with which numbers, and what is named that helps."""

import re
from dataclasses import fields
from typing import Any

import pytest

from forebay.contracts.overfitting import find_held_out_gap, find_overfitting, knows_by_heart, usable_curves
from forebay.settings import TrainConfig

BARE = {
    "weights": "none", "recipe": "small", "augment": "none", "dropout": 0.0, "weight_decay": 0.0,
    "early_stop_epochs": 0,
}  # fmt: skip


def curves(*epochs: tuple[float, float, float]) -> list[dict[str, Any]]:
    """Records of train accuracy, validation loss and validation accuracy."""
    return [
        {"epoch": number, "train_accuracy": train, "validation_loss": loss, "validation_accuracy": accuracy}
        for number, (train, loss, accuracy) in enumerate(epochs, 1)
    ]


def test_pictures_learned_by_heart_are_said_with_all_numbers_and_what_helps() -> None:
    found = find_overfitting(curves((0.6, 1.6, 0.43), (1.0, 1.75, 0.49), (1.0, 1.75, 0.5)), BARE, 1000)
    assert found is not None
    assert found.text == (
        "The model over-fits: train accuracy 100.0% (mean of the epoch, of images as they were trained on), validation "
        "accuracy 50.0% (46.9% to 53.1% by 1,000 rows). What helps, first things first: "
        + "; ".join(found.advice) + "."
    )  # fmt: skip
    assert found.advice[-1] == "more images"


def test_a_gap_that_the_few_validation_rows_allow_is_not_said() -> None:
    assert find_overfitting(curves((1.0, 0.4, 0.8)), BARE, 20) is None  # by 20 rows up to 92 %
    assert find_overfitting(curves((1.0, 0.4, 0.8)), BARE, 2000) is not None
    assert find_overfitting(curves((1.0, 0.4, 0.5)), BARE, 20) is not None
    assert "by 20 rows, which are few)" in find_overfitting(curves((1.0, 0.4, 0.5)), BARE, 20).text  # type: ignore[union-attr]


@pytest.mark.parametrize(("train", "validation"), [(0.975, 0.906), (1.0, 0.9875), (0.7, 0.8)])
def test_the_ordinary_gap_of_a_good_model_is_not_said(train: float, validation: float) -> None:
    assert find_overfitting(curves((train, 0.3, validation)), BARE, 2000) is None


def test_a_validation_loss_that_rose_for_three_epochs_is_said_with_its_best_epoch_and_early_stop() -> None:
    rising = curves((0.9, 0.50, 0.85), (0.91, 0.56, 0.85), (0.92, 0.58, 0.84), (0.93, 0.6, 0.84))
    found = find_overfitting(rising, BARE, 2000)
    assert found is not None
    assert "validation loss 0.600, lowest 0.500 in epoch 1" in found.text
    assert "train.early_stop_epochs=5" in found.advice
    assert find_overfitting(rising[:3], BARE, 2000) is None  # two epochs are too few
    better = [*rising[:3], {**rising[3], "validation_accuracy": 0.86}]
    assert "train.early_stop_epochs=5" not in find_overfitting(better, BARE, 2000).advice  # type: ignore[union-attr]


def test_with_early_stop_the_delivered_epoch_counts() -> None:
    told = curves((0.86, 0.50, 0.85), (0.99, 0.9, 0.6), (0.99, 0.9, 0.6), (0.99, 0.9, 0.6))
    assert find_overfitting(told, BARE, 2000) is not None
    assert find_overfitting(told, {**BARE, "early_stop_epochs": 3}, 2000) is None


def test_only_what_is_not_on_already_is_named_and_every_name_is_a_setting() -> None:
    everything = find_overfitting(curves((1.0, 1.0, 0.5)), BARE, 1000)
    assert everything is not None
    names = {field.name for field in fields(TrainConfig)}
    named = [re.split("[=,]", words)[0] for words in everything.advice if words.startswith("train.")]
    assert named
    assert all(name.removeprefix("train.") in names for name in named)
    protected = {
        "weights": "embedded",
        "recipe": "strong",
        "augment": "shift_flip",
        "dropout": 0.3,
        "weight_decay": 0.01,
        "early_stop_epochs": 0,
    }
    assert find_overfitting(curves((1.0, 1.0, 0.5)), protected, 1000).advice == ("more images",)  # type: ignore[union-attr]


def test_held_out_rows_tell_where_there_were_no_validation_rows() -> None:
    told = [{"epoch": 1, "train_accuracy": 1.0, "validation_loss": None, "validation_accuracy": None}]
    assert find_overfitting(told, BARE, 0) is None
    found = find_held_out_gap(told, BARE, 0.49, 250)
    assert found is not None
    assert "held-out accuracy 49.0% (42.9% to 55.2% by 250 rows)" in found.text
    assert find_held_out_gap(told, BARE, 0.95, 250) is None
    assert find_held_out_gap([], BARE, 0.49, 250) is None


def test_three_epochs_without_a_mistake_are_known_by_heart() -> None:
    assert not knows_by_heart(curves((1.0, 1.0, 0.5), (1.0, 1.0, 0.5)))
    assert knows_by_heart(curves((0.9, 1.0, 0.5), *[(0.996, 1.0, 0.5)] * 3))


@pytest.mark.parametrize("history", [{}, [1], [{"epoch": "one", "train_accuracy": 1.0}], [{"epoch": 1}]])
def test_a_file_that_is_no_curves_tells_nothing(history: Any) -> None:
    assert usable_curves(history) == []
