"""The gate's rules, each at its border."""

import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from forebay.contracts.bundles.spec import ModelSpec
from forebay.evaluate import gate
from forebay.evaluate.comparison import compare_with_champion, held_out_for
from forebay.evaluate.significance import mcnemar_p
from forebay.settings import EvaluateConfig

CONFIG = EvaluateConfig(min_accuracy=0.8, max_class_drop=0.1, significance=0.05)
SPEC = ModelSpec(
    architecture="mlp", options={}, classes=["a", "b"], height=8, width=8, channels=1, mean=[0.5], std=[0.5],
    weights_sha256="0" * 64, data={"split_kind": "hash", "holdout": 0.2},
)  # fmt: skip


def flags(right: int, wrong: int) -> np.ndarray:
    return np.array([True] * right + [False] * wrong, dtype=bool)


@pytest.mark.parametrize(
    ("losses", "wins"), [(0, 0), (1, 0), (0, 5), (5, 0), (10, 3), (8, 8), (300, 250), (5000, 4800)]
)
def test_the_mcnemar_p_value_is_scipys_binomial_tail(losses: int, wins: int) -> None:
    rows = losses + wins
    expected = scipy.stats.binomtest(losses, rows, 0.5, "greater").pvalue if rows else 1.0
    assert mcnemar_p(losses, wins) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("correct", "rows", "refused"), [(80, 100, False), (79, 100, True), (0, 100, True), (100, 100, False)]
)
def test_the_minimum_itself_is_enough(correct: int, rows: int, refused: bool) -> None:
    decision = gate.check_min_accuracy(correct, rows, 0.8)
    assert (decision is not None) == refused
    if decision:
        assert not decision.passed
        assert "below evaluate.min_accuracy 0.8" in decision.reason


# (rows only the candidate gets right, rows only the champion gets right, passes)
@pytest.mark.parametrize(
    ("wins", "losses", "passed"),
    [
        (0, 0, True),  # the same answers: a tie
        (7, 7, True),  # other answers, as many right: a tie
        (9, 0, True),  # better
        (0, 4, True),  # worse, but chance explains it: p = 1/16
        (0, 5, False),  # p = 1/32
        (3, 11, False),  # p = 0.029
        (4, 11, True),  # p = 0.059
    ],
)
def test_only_a_significant_loss_is_refused(wins: int, losses: int, passed: bool) -> None:
    # one class of 200 rows, so that the recall rule cannot speak
    candidate = np.concatenate([flags(wins, losses), flags(200 - wins - losses, 0)])
    champion = np.concatenate([~flags(wins, losses), flags(200 - wins - losses, 0)])
    comparison = compare_with_champion(np.zeros(200, np.int64), candidate, champion, ["a", "b"])
    decision = gate.decide_by_comparison(comparison, "digits", "3", CONFIG)
    assert decision.passed is passed, decision.reason
    assert decision.champion is not None
    assert (decision.champion["only_candidate_right"], decision.champion["only_champion_right"]) == (wins, losses)
    assert ("significantly worse" in decision.reason) is not passed


@pytest.mark.parametrize(("lost", "passed"), [(0, True), (2, True), (3, False)])
def test_a_class_may_lose_the_margin_and_no_more(lost: int, passed: bool) -> None:
    # class b: 20 rows, of which the candidate loses some and wins as many in class a, so accuracy ties
    labels = np.array([0] * 80 + [1] * 20)
    champion = np.concatenate([flags(70, 10), flags(20, 0)])
    candidate = np.concatenate([flags(70 + lost, 10 - lost), flags(20 - lost, lost)])
    comparison = compare_with_champion(labels, candidate, champion, ["a", "b"])
    decision = gate.decide_by_comparison(comparison, "digits", "3", CONFIG)
    assert decision.passed is passed
    assert comparison.candidate_accuracy == comparison.champion_accuracy
    assert comparison.worst_class == ("b" if lost else None)
    if not passed:
        assert "class 'b' loses 0.150 recall" in decision.reason
        assert "more than evaluate.max_class_drop 0.1" in decision.reason


def test_a_class_without_shared_rows_is_named_and_counts_neither_as_lost_nor_as_kept() -> None:
    labels = np.array([0] * 20 + [2] * 20)
    right = flags(40, 0)
    comparison = compare_with_champion(labels, right, right, ["a", "b", "c"])
    assert comparison.uncompared == ["b"]
    assert (comparison.worst_class, comparison.worst_drop) == (None, 0.0)
    decision = gate.decide_by_comparison(comparison, "digits", "3", CONFIG)
    assert decision.passed
    assert decision.reason.endswith("; without any of these rows, so not compared: class 'b'")


def test_classes_that_no_or_hardly_a_held_out_row_shows_are_named_in_the_reason() -> None:
    decision = gate.GateDecision(passed=True, reason="better")
    assert decision.with_unjudged([], []) == decision
    named = decision.with_unjudged([f"c{number}" for number in range(7)], ["d"])
    assert named.reason == (
        "better. Hardly judged, by too few held-out rows: class 'd'. "
        "Not judged, without held-out rows: classes 'c0', 'c1', 'c2', 'c3', 'c4' and 2 more"
    )
    assert named.as_dict()["unjudged"] == [f"c{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("champion", "words"),
    [
        (replace(SPEC, classes=["a", "c"]), r"classes: 2 \(a, c\) there, 2 \(a, b\) here"),
        (replace(SPEC, classes=["a", "b", "c"]), r"classes: 3 \(a, b, c\) there, 2 \(a, b\) here"),
        (replace(SPEC, height=28, width=28), "input: 28x28x1 there, 8x8x1 here"),
        (replace(SPEC, channels=3), "input: 8x8x3 there, 8x8x1 here"),
    ],
)
def test_a_champion_of_another_task_is_refused_by_name_with_the_way_on(champion: ModelSpec, words: str) -> None:
    decision = gate.check_same_task(SPEC, champion, "digits", "3")
    assert decision is not None
    assert not decision.passed
    assert "the champion digits version 3" in decision.reason
    assert re.search(words, decision.reason)
    assert "--name" in decision.reason


def test_long_class_lists_that_differ_late_are_refused_too() -> None:
    names = [f"class-{number}" for number in range(100)]
    decision = gate.check_same_task(replace(SPEC, classes=names), replace(SPEC, classes=[*names[:-1], "x"]), "d", "1")
    assert decision is not None
    assert "not the same names" in decision.reason


def test_the_same_task_is_comparable() -> None:
    assert gate.check_same_task(SPEC, replace(SPEC, architecture="resnet9", mean=[0.1]), "digits", "3") is None


def digests(*first_bytes: int) -> np.ndarray:
    rows = np.zeros((len(first_bytes), 32), np.uint8)
    rows[:, 0] = first_bytes
    return rows


def test_rows_that_trained_the_champion_are_not_compared() -> None:
    # fractions 0, 0.195, 0.203, 0.996 of a champion that held out 0.2
    found = held_out_for(SPEC, "hash", digests(0, 50, 52, 255))
    assert found is not None
    assert found.tolist() == [True, True, False, False]


def test_rows_that_the_champion_held_out_or_trained_on_for_a_small_class_count_as_it_recorded_them() -> None:
    rows = digests(0, 50, 52, 255)
    ids = [row[:8].tobytes().hex() for row in rows]
    spec = replace(SPEC, data={**SPEC.data, "exceptions": {"held_out": [ids[3]], "trained": [ids[0]]}})
    found = held_out_for(spec, "hash", rows)
    assert found is not None
    assert found.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("champion", "candidate", "known"),
    [("source", "source", True), ("source", "hash", False), ("hash", "source", True)],
)
def test_what_a_champion_saw_is_known_only_from_its_own_split(champion: str, candidate: str, known: bool) -> None:
    spec = replace(SPEC, data={"split_kind": champion, "holdout": 0.2})
    assert (held_out_for(spec, candidate, digests(0, 255)) is not None) is known
    assert held_out_for(replace(SPEC, data={}), candidate, digests(0)) is None
