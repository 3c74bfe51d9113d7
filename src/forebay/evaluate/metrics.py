"""Metrics of a classifier on held-out rows. Pure functions of labels and probabilities.

N rows, K classes. They are written in numpy because importing scikit-learn takes 1.6 s, longer than the step; the tests
compare every function with scikit-learn and SciPy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROC_POINTS = 200
CALIBRATION_BINS = 10


def confusion_matrix(labels: IntArray, predicted: IntArray, classes: int) -> IntArray:
    """Count rows by true class (row) and predicted class (column): int64, K x K."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def precision_and_recall(confusion: IntArray) -> tuple[FloatArray, FloatArray]:
    """Precision and recall per class; NaN where a class was never predicted, or has no rows."""
    hits = np.diagonal(confusion).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return hits / confusion.sum(axis=0), hits / confusion.sum(axis=1)


@dataclass(frozen=True)
class RocCurve:
    """A receiver operating characteristic from (0, 0) to (1, 1)."""

    fpr: FloatArray
    tpr: FloatArray
    thresholds: FloatArray  # finite; the first one lies above every score

    @property
    def auc(self) -> float:
        """Area under the curve, by trapezoids."""
        return float(np.trapezoid(self.tpr, self.fpr))


def roc_curve(positive: NDArray[np.bool_], scores: FloatArray) -> RocCurve | None:
    """The ROC over every distinct score, or None where one of the two classes has no rows."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    hits = np.cumsum(positive)[last_of_tie]
    misses = last_of_tie + 1 - hits
    if hits[-1] == 0 or misses[-1] == 0:
        return None
    return RocCurve(
        fpr=np.append(0.0, misses / misses[-1]),
        tpr=np.append(0.0, hits / hits[-1]),
        thresholds=np.append(scores[0] + 1, scores[last_of_tie]),
    )


def micro_roc(labels: IntArray, probabilities: FloatArray) -> RocCurve | None:
    """The one-versus-rest ROC of the N x K pooled decisions."""
    truth = labels[:, None] == np.arange(probabilities.shape[1])
    return roc_curve(truth.ravel(), probabilities.ravel())


def class_rocs(labels: IntArray, probabilities: FloatArray) -> list[RocCurve | None]:
    """The one-versus-rest ROC of each class."""
    return [roc_curve(labels == label, probabilities[:, label]) for label in range(probabilities.shape[1])]


def macro_roc(rocs: list[RocCurve | None]) -> tuple[FloatArray, FloatArray]:
    """The mean true positive rate of the classes at each of `ROC_POINTS` false positive rates.

    Returns:
        fpr and tpr; both empty where no class has a curve.
    """
    known = [roc for roc in rocs if roc is not None]
    if not known:
        return np.empty(0), np.empty(0)
    fpr = np.linspace(0, 1, ROC_POINTS - 1)
    tpr = np.mean([np.interp(fpr, roc.fpr, roc.tpr) for roc in known], axis=0)
    return np.append(0.0, fpr), np.append(0.0, tpr)


def thin_curve(roc: RocCurve, points: int = ROC_POINTS) -> RocCurve:
    """Keep at most this many points of a curve, evenly spaced along its path from (0, 0) to (1, 1); both ends stay."""
    path = roc.fpr + roc.tpr  # rises from 0 to 2
    keep = np.unique(np.searchsorted(path, np.linspace(0, 2, points)))
    return RocCurve(roc.fpr[keep], roc.tpr[keep], roc.thresholds[keep])


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose highest probability lies above `low`, up to and including `high`."""

    low: float
    high: float
    rows: int
    confidence: float  # mean of their highest probability
    accuracy: float


def calibration_bins(is_right: NDArray[np.bool_], confidence: FloatArray) -> list[CalibrationBin]:
    """Compare the highest probability with the accuracy in bins of equal width; bins without rows are left out."""
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    which = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, CALIBRATION_BINS - 1)
    return [
        CalibrationBin(
            float(edges[index]), float(edges[index + 1]), int(inside.sum()),
            float(confidence[inside].mean()), float(is_right[inside].mean()),
        )
        for index in range(CALIBRATION_BINS)
        if (inside := which == index).any()
    ]  # fmt: skip


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """The mean gap between confidence and accuracy, weighted by rows.

    Guo et al., "On calibration of modern neural networks", ICML 2017.
    """
    rows = sum(each.rows for each in bins)
    return sum(each.rows * abs(each.accuracy - each.confidence) for each in bins) / rows


def log_loss(labels: IntArray, probabilities: FloatArray) -> float:
    """The mean negative logarithm of the true class's probability, which counts as at least 1e-12."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())
