"""The HTML report: one file that needs nothing else. This module decides what it shows; `report.html` how it looks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from forebay.contracts.calibration import describe_temperature
from forebay.contracts.class_names import class_list
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.overfitting import Curves
from forebay.contracts.shards import DatasetSplit
from forebay.evaluate.baseline import BaselineComparison, check_baseline, uncertainty_note
from forebay.evaluate.champion_text import champion_sentences
from forebay.evaluate.charts import ChartLine, PlotArea, line_chart, reliability_chart
from forebay.evaluate.examples import Answers
from forebay.evaluate.history_charts import history_charts, training_time
from forebay.evaluate.links import find_links, mlflow_note, source_folder
from forebay.evaluate.metrics import CalibrationBin
from forebay.evaluate.provenance import provenance
from forebay.evaluate.report_images import confusion_heat_map, confusion_opacity, png_data_uri
from forebay.settings import EvaluateConfig
from forebay.state import Home, write_bytes
from forebay.text import count_noun, format_duration

MATRIX_CLASSES = 24  # with more classes, the confusion matrix is an image
TABLE_CLASSES = 50  # of more classes, those with the lowest recall are listed
CONFUSED_PAIRS = 10


@dataclass(frozen=True)
class ConfusionCell:
    """One cell of the confusion matrix."""

    rows: int
    opacity: float  # 0..1
    is_hit: bool


def write_report(
    evaluation: EvaluationResult,
    test: DatasetSplit,
    probabilities: NDArray[np.float32],
    history: Curves,
    run_id: str,
    home: Home,
) -> None:
    """Write `report.html` into the evaluation's folder.

    Args:
        evaluation: what the report shows.
        test: the N test images.
        probabilities: float32, N x K.
        history: the training curves; empty where there are none.
        run_id: id of the pipeline run; empty outside one.
        home: the state folder, which tells where MLflow is.
    """
    answers = Answers(test, probabilities, evaluation.classes, source_folder(evaluation))
    html = _render(
        evaluation=evaluation,
        run_id=run_id,
        class_list=class_list,
        links=find_links(evaluation, run_id, home),
        mlflow_note=mlflow_note(home),
        baseline_rule=_baseline_rule(evaluation),
        champion_sentences=champion_sentences(evaluation),
        history_charts=history_charts(history),
        training_time=_training_time(history),
        confusion=_confusion(evaluation),
        per_class=_per_class(evaluation),
        roc_chart=_roc_chart(evaluation),
        calibration_chart=reliability_chart([CalibrationBin(**each) for each in evaluation.calibration], "Calibration"),
        calibration_note=_calibration_note(evaluation),
        mistakes=answers.mistakes(),
        least_certain=answers.least_certain(),
        surest=answers.surest(),
        wrong_rows=answers.wrong_rows,
        provenance=provenance(evaluation, run_id),
    )
    write_bytes(evaluation.report, html.encode())


def _render(**values: Any) -> str:
    """The page; whatever is not marked as HTML is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("forebay.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html").render(**values)


def _calibration_note(evaluation: EvaluationResult) -> str:
    found, rows = evaluation.model["temperature"], evaluation.model["validation_rows"]
    return describe_temperature(found if isinstance(found, list) else [found], rows, evaluation.metrics)


def _training_time(history: Curves) -> str:
    """How long the training took, as a sentence; empty where that was not recorded."""
    found = training_time(history)
    if found is None:
        return ""
    return (
        f"{count_noun(found['epochs'], 'epoch')} in {format_duration(found['seconds'])} "
        f"({found['images_per_s']:,.0f} images per second)."
    )


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
