"""A space holds settings by their own rules, and says in the usual words what cannot be searched."""

from pathlib import Path
from typing import Any

import pytest

from forebay.errors import ConfigError
from forebay.settings import all_settings
from forebay.tuning.space import _NOT_SEARCHED, Choice, Range, make_space, read_space


def test_a_file_becomes_dimensions_and_drawn_values_become_settings(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "train.learning_rate: {low: 1e-3, high: 0.4, log: true}\n"
        "train.recipe: [small, standard]\n"
        "train.epochs: {low: 4, high: 10, step: 2}\n"
        "train.dropout: {low: 0, high: 1/2}\n".replace("1/2", "0.5")
    )
    space = read_space(path)
    assert space.dimensions["train.learning_rate"] == Range(0.001, 0.4, log=True)
    assert space.dimensions["train.recipe"] == Choice(("small", "standard"))
    assert space.dimensions["train.epochs"] == Range(4, 10, step=2, whole=True)
    assert not Range(0, 0.5).whole
    assert space.combinations is None
    drawn = {"train.learning_rate": 0.012345, "train.recipe": "small", "train.epochs": 6, "train.dropout": 0.1}
    assert space.settings(drawn) == {
        "train.learning_rate": "0.0123", "train.recipe": "small", "train.epochs": "6", "train.dropout": 0.1,
    }  # fmt: skip


def test_combinations_are_counted_where_there_are_no_open_ranges() -> None:
    space = make_space({"train.recipe": ["small", "strong"], "train.dropout": {"low": 0, "high": 0.4, "step": 0.1}})
    assert space.combinations == 10


def test_a_value_is_found_in_a_dimension_as_a_number_or_a_word() -> None:
    assert Choice(("auto", "0.10")).find(0.1, "auto") == "0.10"
    assert Choice(("small",)).find("strong", "auto") is None
    assert Range(0.01, 0.4).find("auto", 0.05) == 0.05
    assert Range(0, 0.2, step=0.05).find(0.1) == 0.1
    assert Range(0, 0.2, step=0.05).find(0.12) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "names no setting. Give at least one"),
        ([], "names no setting"),
        ({"train.learning_rat": [1]}, "There is no setting 'train.learning_rat'. Did you mean train.learning_rate?"),
        ({"evaluate.min_accuracy": [0.1, 0.2]}, "evaluate.min_accuracy cannot be searched: it changes nothing of a"),
        ({"ingest.size": ["8x8", "16x16"]}, "every trial must learn from and be judged by the same rows"),
        ({"train.seed": [1, 2]}, "the best of several seeds is the luckiest one"),
        ({"train.recipe": ["small", "hard"]}, "train.recipe must be one of auto, small, standard, strong, got 'hard'"),
        ({"train.recipe": ["small"]}, "has one combination of values"),
        ({"train.recipe": ["small", "small"]}, "must list different values"),
        ({"train.recipe": "small"}, "must be a list of values, or {low: …, high: …}, got 'small'"),
        ({"train.recipe": [None]}, "must list words or numbers, got None"),
        ({"train.recipe": {"low": 0, "high": 1}}, "train.recipe must be one of"),
        ({"train.weights": {"low": 0, "high": 1}}, "train.weights takes words, not numbers"),
        ({"train.dropout": {"low": 0}}, "takes low, high and, where wanted, log and step"),
        ({"train.dropout": {"low": 0, "high": 0.4, "steps": 2}}, "takes low, high and, where wanted, log and step"),
        ({"train.dropout": {"low": 0.4, "high": 0}}, "low must be below high, got 0.4 and 0"),
        ({"train.dropout": {"low": 0, "high": 2}}, "train.dropout must be between 0 and 0.95, got 2"),
        ({"train.dropout": {"low": "x", "high": 2}}, "low must be a finite number, got 'x'"),
        ({"train.dropout": {"low": float("nan"), "high": 1}}, "low must be a finite number, got nan"),
        ({"train.dropout": {"low": 0, "high": float("inf")}}, "high must be a finite number, got inf"),
        ({"train.dropout": {"low": 0, "high": 0.4, "log": True}}, "low must be above 0 with log, got 0"),
        ({"train.dropout": {"low": 0, "high": 0.4, "log": "yes"}}, "log must be true or false"),
        ({"train.dropout": {"low": 0.1, "high": 0.4, "log": True, "step": 0.1}}, "log and step exclude each other"),
        ({"train.dropout": {"low": 0, "high": 0.4, "step": 1}}, "step must be above 0 and at most high - low"),
        ({"train.epochs": {"low": 1.5, "high": 4}}, "train.epochs must be auto or a whole number of at least 1"),
        ({"train.model": ["mlp", "net.py:Net"]}, "net.py:Net is a network of your own"),
    ],
)
def test_what_cannot_be_searched_is_named_with_its_rule(given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_space(given)
    assert words in str(caught.value)


@pytest.mark.parametrize(("text", "words"), [("a: [", "is no YAML"), (None, "cannot be read")])
def test_a_file_that_is_no_space_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "space.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_space(path)


def test_what_is_not_searched_exists() -> None:
    assert set(_NOT_SEARCHED) <= {setting.key for setting in all_settings()}
