"""Measures: ours against scikit-learn's and SciPy's on the same numbers."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from forebay.contracts.wilson import wilson_interval
from forebay.evaluate import metrics
from forebay.evaluate.measurements import measure_classifier

ROWS, CLASSES = 500, 4


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a mediocre classifier, rounded so that scores tie."""
    random = np.random.default_rng(3)
    labels = random.integers(0, CLASSES, ROWS)
    logits = random.normal(size=(ROWS, CLASSES)) + 1.5 * np.eye(CLASSES)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return labels, probabilities.round(2)


@pytest.mark.parametrize(("correct", "rows"), [(0, 1), (1, 1), (0, 30), (30, 30), (262, 270), (7491, 8000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_wilson_interval_is_scipys(correct: int, rows: int, confidence: float) -> None:
    expected = scipy.stats.binomtest(correct, rows).proportion_ci(confidence, method="wilson")
    assert wilson_interval(correct, rows, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_confusion_precision_and_recall_are_scikit_learns(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = answers
    predicted = probabilities.argmax(1)
    confusion = metrics.confusion_matrix(labels, predicted, CLASSES)
    np.testing.assert_array_equal(confusion, sklearn.metrics.confusion_matrix(labels, predicted))
    precision, recall = metrics.precision_and_recall(confusion)
    np.testing.assert_allclose(precision, sklearn.metrics.precision_score(labels, predicted, average=None))
    np.testing.assert_allclose(recall, sklearn.metrics.recall_score(labels, predicted, average=None))


def test_every_class_curve_is_scikit_learns_with_a_finite_first_threshold(
    answers: tuple[np.ndarray, np.ndarray],
) -> None:
    labels, probabilities = answers
    for label, roc in enumerate(metrics.class_rocs(labels, probabilities)):
        assert roc is not None
        fpr, tpr, thresholds = sklearn.metrics.roc_curve(
            labels == label, probabilities[:, label], drop_intermediate=False
        )
        np.testing.assert_allclose(roc.fpr, fpr)
        np.testing.assert_allclose(roc.tpr, tpr)
        np.testing.assert_allclose(roc.thresholds[1:], thresholds[1:])
        assert np.isfinite(roc.thresholds).all()
        assert roc.auc == pytest.approx(sklearn.metrics.roc_auc_score(labels == label, probabilities[:, label]))


def test_micro_and_macro_areas_are_scikit_learns(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = answers
    truth = np.eye(CLASSES)[labels]
    found = measure_classifier(labels, probabilities.astype(np.float32), list("abcd"), 0.95).metrics
    rounded = probabilities.astype(np.float32).astype(np.float64)
    for average in ("micro", "macro"):
        expected = sklearn.metrics.roc_auc_score(truth, rounded, average=average)
        assert found[f"roc_auc_{average}"] == pytest.approx(expected, abs=1e-12)


def test_macro_means_and_log_loss_are_scikit_learns(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = answers
    probabilities = (probabilities + 0.01) / (probabilities + 0.01).sum(1, keepdims=True)
    predicted = probabilities.argmax(1)
    found = measure_classifier(labels, probabilities.astype(np.float32), list("abcd"), 0.95).metrics
    assert found["accuracy"] == sklearn.metrics.accuracy_score(labels, predicted)
    assert found["macro_precision"] == pytest.approx(
        sklearn.metrics.precision_score(labels, predicted, average="macro")
    )
    assert found["macro_recall"] == pytest.approx(sklearn.metrics.recall_score(labels, predicted, average="macro"))
    assert found["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(labels, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(sklearn.metrics.log_loss(labels, probabilities), rel=1e-6)


def test_the_macro_curve_has_the_macro_area(answers: tuple[np.ndarray, np.ndarray]) -> None:
    labels, probabilities = answers
    rocs = metrics.class_rocs(labels, probabilities)
    fpr, tpr = metrics.macro_roc(rocs)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    expected = np.mean([roc.auc for roc in rocs if roc])
    assert np.trapezoid(tpr, fpr) == pytest.approx(expected, abs=0.005)


def test_a_thinned_curve_keeps_ends_order_and_area() -> None:
    random = np.random.default_rng(0)
    positive = random.random(20_000) < 0.1
    roc = metrics.roc_curve(positive, random.normal(size=20_000) + 2 * positive)
    assert roc is not None
    thin = metrics.thin_curve(roc)
    assert len(thin.fpr) <= metrics.ROC_POINTS
    assert (thin.fpr[0], thin.tpr[0], thin.fpr[-1], thin.tpr[-1]) == (0, 0, 1, 1)
    assert (np.diff(thin.fpr) >= 0).all()
    assert (np.diff(thin.tpr) >= 0).all()
    assert (np.diff(thin.thresholds) < 0).all()
    assert thin.auc == pytest.approx(roc.auc, abs=1e-3)


def test_calibration_bins_hold_every_row_once_and_give_the_textbook_error() -> None:
    confidence = np.array([0.1, 0.55, 0.55, 0.95, 0.95, 0.95, 1.0])
    correct = np.array([False, True, False, True, True, False, True])
    bins = metrics.calibration_bins(correct, confidence)
    assert [(round(part.low, 9), part.rows) for part in bins] == [(0.0, 1), (0.5, 2), (0.9, 4)]
    by_hand = (1 * 0.1 + 2 * abs(0.5 - 0.55) + 4 * abs(0.75 - 0.9625)) / 7
    assert metrics.expected_calibration_error(bins) == pytest.approx(by_hand)


def test_classes_that_are_absent_or_never_predicted_are_undefined_not_wrong() -> None:
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1]], np.float32)
    found = measure_classifier(labels, probabilities, ["a", "b", "c"], 0.95)
    assert [row["recall"] for row in found.per_class] == [1.0, 0.0, None]
    assert [row["precision"] for row in found.per_class] == [0.5, None, None]
    assert found.per_class[2]["auc"] is None
    assert found.metrics["macro_recall"] == 0.5
    assert all(np.isfinite(value) for value in found.metrics.values())


def test_an_absent_class_that_is_answered_has_no_precision_and_is_in_no_mean() -> None:
    labels = np.array([0, 0, 1, 1])
    answers = np.array([0, 0, 1, 2])  # once the class that no row shows
    found = measure_classifier(labels, np.eye(3, dtype=np.float32)[answers], ["a", "b", "c"], 0.95)
    absent = found.per_class[2]
    assert (absent["support"], absent["precision"], absent["recall"], absent["auc"]) == (0, None, None, None)
    assert found.metrics["macro_recall"] == 0.75
    assert found.metrics["macro_precision"] == 1.0
    assert found.metrics["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_single_class_has_no_curve_and_no_area() -> None:
    found = measure_classifier(np.zeros(5, np.int64), np.ones((5, 1), np.float32), ["only"], 0.95)
    assert found.roc == ([], [], [])
    assert "roc_auc_micro" not in found.metrics
    assert found.accuracy["value"] == 1.0
