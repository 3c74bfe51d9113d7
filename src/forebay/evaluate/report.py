"""The HTML report: one file that needs nothing else. This module decides what it shows; `report.html` how it looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from forebay.contracts.calibration import describe_temperature
from forebay.contracts.class_names import class_list
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.overfitting import Curves, read_curves
from forebay.contracts.shards import DatasetSplit
from forebay.evaluate.baseline import BaselineComparison, check_baseline, uncertainty_note
from forebay.evaluate.charts import ChartLine, PlotArea, line_chart, padded_range, reliability_chart
from forebay.evaluate.metrics import CalibrationBin
from forebay.evaluate.provenance import provenance
from forebay.evaluate.report_images import confusion_heat_map, confusion_opacity, png_data_uri
from forebay.settings import EvaluateConfig
from forebay.state import write_bytes

MATRIX_CLASSES = 24  # with more classes, the confusion matrix is an image
TABLE_CLASSES = 50  # of more classes, those with the lowest recall are listed
CONFUSED_PAIRS = 10
SHOWN_MISTAKES = 24


@dataclass(frozen=True)
class Misclassification:
    """A wrong answer with its image."""

    image: str  # data URI
    truth: str
    answer: str
    confidence: float


@dataclass(frozen=True)
class ConfusionCell:
    """One cell of the confusion matrix."""

    rows: int
    opacity: float  # 0..1
    is_hit: bool


def write_report(
    evaluation: EvaluationResult, test: DatasetSplit, probabilities: NDArray[np.float32], model: Path, run_id: str
) -> None:
    """Write `report.html` into the evaluation's folder.

    Args:
        evaluation: what the report shows.
        test: the N test images.
        probabilities: float32, N x K.
        model: the bundle's folder; the training curves come from its `history.json`, where there is one.
        run_id: id of the pipeline run; empty outside one.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("forebay.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    history = read_curves(model)
    html = environment.get_template("report.html").render(
        evaluation=evaluation,
        run_id=run_id,
        class_list=class_list,
        baseline_rule=_baseline_rule(evaluation),
        history_charts=history_charts(history),
        confusion=_confusion(evaluation),
        per_class=_per_class(evaluation),
        roc_chart=_roc_chart(evaluation),
        calibration_chart=reliability_chart([CalibrationBin(**each) for each in evaluation.calibration], "Calibration"),
        calibration_note=_calibration_note(evaluation),
        mistakes=worst_mistakes(test, probabilities, evaluation.classes),
        wrong_rows=int((probabilities.argmax(axis=1) != test.labels).sum()),
        provenance=provenance(evaluation, run_id),
    )
    write_bytes(evaluation.report, html.encode())


def _calibration_note(evaluation: EvaluationResult) -> str:
    found, rows = evaluation.model["temperature"], evaluation.model["validation_rows"]
    return describe_temperature(found if isinstance(found, list) else [found], rows, evaluation.metrics)


def history_charts(history: Curves) -> list[Markup]:
    """Charts of loss and accuracy over the epochs; none where nothing was recorded."""
    limits: dict[str, dict[str, float]] = {"loss": {"floor": 0}, "accuracy": {"floor": 0, "ceiling": 1}}
    charts = []
    for what, limit in limits.items():
        lines = [
            line
            for split, style in (("train", "s1"), ("validation", "s2"))
            for line in _curves(history, f"{split}_{what}", split, style)
        ]
        if lowest := _lowest(history, f"validation_{what}"):
            lines.append(lowest)
        if lines:
            epochs = [float(x) for line in lines for x in line.x]
            x_range = (min(epochs), max(max(epochs), min(epochs) + 1))
            area = PlotArea(
                x=x_range,
                y=padded_range([y for line in lines for y in line.y], **limit),
                x_label="epoch",
                y_label=what,
            )
            charts.append(line_chart(area, lines, f"{what} by epoch"))
    return charts


def worst_mistakes(
    test: DatasetSplit, probabilities: NDArray[np.float32], classes: list[str]
) -> list[Misclassification]:
    """The wrong answers that the model was most confident of, in that order."""
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != test.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_MISTAKES]
    return [
        Misclassification(
            png_data_uri(test.images_NHWC(row, row + 1)[0]), classes[test.labels[row]], classes[answers[row]],
            float(confidence[row]),
        )
        for row in worst.tolist()
    ]  # fmt: skip


def _baseline_rule(evaluation: EvaluationResult) -> dict[str, Any] | None:
    """What the gate required against the constant answer, what it found, and how certain that is; None without it."""
    if evaluation.gate["baseline"] is None:
        return None
    comparison, config = BaselineComparison(**evaluation.gate["baseline"]), EvaluateConfig(**evaluation.settings)
    note = uncertainty_note(comparison, [row["name"] for row in evaluation.per_class if row["support"]], config)
    won, lost = comparison.only_model_right, comparison.only_baseline_right
    return {
        "wanted": f"p below {config.significance:g}" if note is None else "more images right",
        "found": f"p = {comparison.p_value:.3g}, {won} won, {lost} lost",
        "ok": check_baseline(comparison, config) is None,
        "note": note,
    }


def _curves(history: Curves, key: str, name: str, style: str) -> list[ChartLine]:
    """The curve, or those of the members of an ensemble, of which the first one carries the name."""
    by_member: dict[int, list[tuple[float, float]]] = {}
    for record in history:
        if record.get(key) is not None:
            by_member.setdefault(record.get("member", 1), []).append((record["epoch"], record[key]))
    return [
        ChartLine("" if number else name, [x for x, _ in points], [y for _, y in points], style)
        for number, points in enumerate(by_member.values())
    ]


def _lowest(history: Curves, key: str) -> ChartLine | None:
    """A dot on a curve of the validation rows, where their loss was lowest; None without such rows."""
    judged = [record for record in history if record.get("validation_loss") is not None and key in record]
    if not judged:
        return None
    best = min(judged, key=lambda record: float(record["validation_loss"]))
    return ChartLine(f"lowest loss, epoch {best['epoch']}", [best["epoch"]], [best[key]], "s2")


def _confusion(evaluation: EvaluationResult) -> dict[str, Any]:
    """The matrix as a table of cells or as an image, and the pairs that are most often confused."""
    matrix = np.array(evaluation.confusion)
    classes = evaluation.classes
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:CONFUSED_PAIRS]
    pairs = [(classes[i // len(classes)], classes[i % len(classes)], int(off.flat[i])) for i in order if off.flat[i]]
    small = len(classes) <= MATRIX_CLASSES
    return {
        "cells": _cells(matrix) if small else None,
        "image": None if small else png_data_uri(confusion_heat_map(matrix)),
        "pairs": pairs,
    }


def _cells(matrix: NDArray[np.int64]) -> list[list[ConfusionCell]]:
    opacity = confusion_opacity(matrix)
    return [
        [ConfusionCell(int(rows), round(float(opacity[i, j]), 3), i == j) for j, rows in enumerate(line)]
        for i, line in enumerate(matrix)
    ]


def _per_class(evaluation: EvaluationResult) -> list[dict[str, Any]]:
    rows = evaluation.per_class
    if len(rows) <= TABLE_CLASSES:
        return rows
    return sorted(rows, key=lambda row: 2.0 if row["recall"] is None else row["recall"])[:TABLE_CLASSES]


def _roc_chart(evaluation: EvaluationResult) -> Markup | None:
    fpr, tpr, _ = evaluation.roc
    if not fpr:
        return None
    area = PlotArea(x=(0, 1), y=(0, 1), x_label="false positive rate", y_label="true positive rate")
    lines = [
        ChartLine("chance", (0, 1), (0, 1), "guide"),
        ChartLine(f"micro, AUC {evaluation.metrics['roc_auc_micro']:.4f}", fpr, tpr, "s1"),
    ]
    if "roc_auc_macro" in evaluation.metrics:  # not where all held-out rows are of one class
        lines.append(
            ChartLine(f"macro, AUC {evaluation.metrics['roc_auc_macro']:.4f}", *evaluation.macro_roc, "s2"),
        )
    return line_chart(area, lines, "One-versus-rest ROC")
