"""From labels and probabilities to the measurements that `evaluation.json` holds. Pure functions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.calibration import ERROR
from forebay.contracts.wilson import wilson_interval
from forebay.evaluate import metrics

CURVE_DIGITS = 6  # decimal places of the points of curves; more would only make files large


@dataclass(frozen=True, kw_only=True)
class ClassifierMeasurements:
    """The measured part of an `EvaluationResult`; the fields have the same names and meanings there."""

    accuracy: dict[str, Any]
    metrics: dict[str, float]
    per_class: list[dict[str, Any]]
    confusion: list[list[int]]
    roc: tuple[list[float], list[float], list[float]]
    macro_roc: tuple[list[float], list[float]]
    calibration: list[dict[str, Any]]


def measure_classifier(
    labels: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str], confidence: float
) -> ClassifierMeasurements:
    """Measure N answers, N at least 1.

    Args:
        labels: int64, N; the true classes.
        probabilities: float32, N x K; rows sum to 1.
        classes: names of the K classes.
        confidence: coverage of the accuracy's interval.
    """
    scores = probabilities.astype(np.float64)
    predicted = scores.argmax(axis=1)
    is_right = predicted == labels
    low, high = wilson_interval(int(is_right.sum()), len(labels), confidence)
    accuracy = {
        "value": float(is_right.mean()),
        "low": low,
        "high": high,
        "rows": len(labels),
        "confidence": confidence,
    }
    confusion = metrics.confusion_matrix(labels, predicted, len(classes))
    class_rocs = metrics.class_rocs(labels, scores)
    micro = metrics.micro_roc(labels, scores)
    bins = metrics.calibration_bins(is_right, scores.max(axis=1))
    flat = {
        "accuracy": accuracy["value"],
        "accuracy_low": low,
        "accuracy_high": high,
        **_macro(confusion),
        **_areas(micro, class_rocs),
        ERROR: metrics.expected_calibration_error(bins),
        "log_loss": metrics.log_loss(labels, scores),
        "rows": float(len(labels)),
    }
    return ClassifierMeasurements(
        accuracy=accuracy,
        metrics=flat,
        per_class=_per_class(classes, confusion, class_rocs),
        confusion=confusion.tolist(),
        roc=_points(micro),
        macro_roc=_rounded(*metrics.macro_roc(class_rocs)),
        calibration=[asdict(each) for each in bins],
    )


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """The expected calibration error of N answers, N at least 1."""
    bins = metrics.calibration_bins(probabilities.argmax(axis=1) == labels, probabilities.max(axis=1))
    return metrics.expected_calibration_error(bins)


def _macro(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Means over the classes that have rows; a class that is never predicted counts with precision 0."""
    present = confusion.sum(axis=1) > 0
    precision, recall = metrics.precision_and_recall(confusion)
    hits = np.diagonal(confusion)
    f1 = 2 * hits[present] / (confusion.sum(axis=0) + confusion.sum(axis=1))[present]
    return {
        "macro_precision": float(np.nan_to_num(precision[present]).mean()),
        "macro_recall": float(recall[present].mean()),
        "macro_f1": float(f1.mean()),
    }


def _areas(micro: metrics.RocCurve | None, class_rocs: list[metrics.RocCurve | None]) -> dict[str, float]:
    """The micro and macro AUC; left out where there is a single class and so no curve."""
    known = [roc.auc for roc in class_rocs if roc is not None]
    return ({"roc_auc_micro": micro.auc} if micro else {}) | ({"roc_auc_macro": float(np.mean(known))} if known else {})


def _per_class(
    classes: Sequence[str], confusion: NDArray[np.int64], class_rocs: list[metrics.RocCurve | None]
) -> list[dict[str, Any]]:
    precision, recall = metrics.precision_and_recall(confusion)
    precision = np.where(confusion.sum(axis=1) > 0, precision, np.nan)  # without rows, a class is not judged
    return [
        {
            "name": name,
            "support": int(confusion[label].sum()),
            "precision": _defined(precision[label]),
            "recall": _defined(recall[label]),
            "auc": roc.auc if (roc := class_rocs[label]) else None,
        }
        for label, name in enumerate(classes)
    ]


def _defined(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _points(roc: metrics.RocCurve | None) -> tuple[list[float], list[float], list[float]]:
    if roc is None:
        return [], [], []
    thinned = metrics.thin_curve(roc)
    fpr, tpr = _rounded(thinned.fpr, thinned.tpr)
    return fpr, tpr, thinned.thresholds.round(CURVE_DIGITS).tolist()


def _rounded(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    return fpr.round(CURVE_DIGITS).tolist(), tpr.round(CURVE_DIGITS).tolist()
