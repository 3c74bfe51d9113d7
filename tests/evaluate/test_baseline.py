"""The constant answer: a model has to be better than always answering the largest class."""

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from forebay.evaluate import baseline
from forebay.evaluate.significance import fewest_significant_rows
from forebay.settings import EvaluateConfig

CONFIG = EvaluateConfig()
CLASSES = ["defect", "ok"]


def found(ok: tuple[int, int], defect: tuple[int, int]) -> baseline.BaselineComparison:
    """Of each class so many rows, of which so many are answered right: (right, rows)."""
    labels = np.array([1] * ok[1] + [0] * defect[1])
    right = np.array(
        [True] * ok[0] + [False] * (ok[1] - ok[0]) + [True] * defect[0] + [False] * (defect[1] - defect[0])
    )
    return baseline.compare_with_largest_class(labels, right, CLASSES)


def answers(labels: NDArray[np.int64], predicted: int) -> NDArray[np.bool_]:
    return labels == predicted


def test_its_numbers_are_those_of_a_paired_test_on_the_same_rows() -> None:
    beside = found(ok=(88, 90), defect=(7, 10))
    assert (beside.class_name, beside.rows, beside.other_rows) == ("ok", 100, 10)
    assert (beside.accuracy, beside.model_accuracy) == (0.9, 0.95)
    assert beside.balanced_accuracy == pytest.approx((88 / 90 + 0.7) / 2)
    assert (beside.only_model_right, beside.only_baseline_right) == (7, 2)
    assert beside.p_value == pytest.approx(scipy.stats.binomtest(7, 9, 0.5, "greater").pvalue)


@pytest.mark.parametrize("shares", [(240, 24), (50, 50), (7, 5), (1, 1), (30, 0), (400, 3)])
@pytest.mark.parametrize("always", [0, 1])
def test_no_constant_answer_passes_whatever_the_shares_and_whatever_it_answers(
    shares: tuple[int, int], always: int
) -> None:
    labels = np.repeat([1, 0], shares)
    beside = baseline.compare_with_largest_class(labels, answers(labels, always), CLASSES)
    refused = baseline.check_baseline(beside, CONFIG)
    assert refused is not None
    assert not refused.passed
    assert "always answering" in refused.reason


# (right of 90 ok, right of 10 defect, passes)
@pytest.mark.parametrize(
    ("ok", "defect", "passed"),
    [
        (90, 10, True),
        (90, 5, True),  # p = 1/32
        (90, 4, False),  # p = 1/16, where ten rows could have shown it
        (89, 7, True),  # p = 0.035
        (88, 6, False),  # p = 0.145
        (80, 10, False),  # a tie
        (45, 5, False),
    ],
)
def test_better_means_significantly_better_where_the_rows_can_tell(ok: int, defect: int, passed: bool) -> None:
    beside = found(ok=(ok, 90), defect=(defect, 10))
    refused = baseline.check_baseline(beside, CONFIG)
    assert (refused is None) is passed
    assert baseline.uncertainty_note(beside, CLASSES, CONFIG) is None
    if refused:
        assert "no better than always answering 'ok', the largest class" in refused.reason
        assert f"accuracy {(ok + defect) / 100:.4f} against 0.9000 on the same 100 held-out rows" in refused.reason
        assert f"p {beside.p_value:.2g} not below 0.05" in refused.reason
        assert f"balanced accuracy {beside.balanced_accuracy:.4f}" in refused.reason
        assert "evaluate.baseline=none" in refused.reason


def test_a_perfect_model_on_a_tiny_test_set_passes_and_the_doubt_is_said() -> None:
    beside = found(ok=(3, 3), defect=(3, 3))
    assert beside.p_value == 0.125
    assert baseline.check_baseline(beside, CONFIG) is None
    text = baseline.uncertainty_note(beside, CLASSES, CONFIG)
    assert text == (
        "only 3 of 6 held-out rows are of another class than 'defect' (class 'ok'): too few to tell the model from "
        "always answering that (p 0.12, evaluate.significance 0.05); it takes 5. Add images of other classes"
    )


def test_on_a_tiny_test_set_a_tie_is_refused_and_one_row_more_is_enough() -> None:
    assert baseline.check_baseline(found(ok=(40, 40), defect=(1, 3)), CONFIG) is None
    assert baseline.check_baseline(found(ok=(39, 40), defect=(1, 3)), CONFIG) is not None


def test_held_out_rows_of_one_class_show_nothing_of_the_others() -> None:
    refused = baseline.check_baseline(found(ok=(45, 45), defect=(0, 0)), CONFIG)
    assert refused is not None
    assert refused.reason.startswith("all 45 held-out rows are of class 'ok', so the model cannot be told from always")


@pytest.mark.parametrize(("significance", "rows"), [(0.5, 2), (0.05, 5), (0.01, 7), (0.0001, 14)])
def test_the_rows_that_could_tell_follow_the_significance(significance: float, rows: int) -> None:
    assert fewest_significant_rows(significance) == rows
    assert 0.5**rows < significance <= 0.5 ** (rows - 1)


def test_a_thousand_classes_of_one_row_each_are_judged_by_all_of_them() -> None:
    labels = np.arange(1000)
    names = [str(label) for label in labels]
    beside = baseline.compare_with_largest_class(labels, labels < 20, names)
    assert (beside.accuracy, beside.other_rows) == (0.001, 999)
    assert baseline.check_baseline(beside, CONFIG) is None
    assert baseline.check_baseline(baseline.compare_with_largest_class(labels, labels < 1, names), CONFIG) is not None
