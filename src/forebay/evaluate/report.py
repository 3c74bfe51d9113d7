"""The HTML report: one file that needs nothing else. Here is what it shows; `report.html` is how it looks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import HISTORY
from forebay.contracts.class_names import class_list
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.shards import SPLITS, DatasetSplit
from forebay.evaluate.baseline import Baseline, doubt, refusal
from forebay.evaluate.charts import Frame, Series, line_chart, padded, reliability_chart
from forebay.evaluate.images import heat_map, png_uri
from forebay.evaluate.metrics import CalibrationBin
from forebay.settings import EvaluateConfig
from forebay.state import read_json, write_bytes

MATRIX_CLASSES = 24  # a table of numbers up to here, an image above
TABLE_CLASSES = 50  # classes listed; above, those with the lowest recall
CONFUSED_PAIRS = 10
MISTAKES = 24


@dataclass(frozen=True)
class Mistake:
    """A wrong answer with its image."""

    image: str  # data URI
    truth: str
    answer: str
    confidence: float


@dataclass(frozen=True)
class Cell:
    """One number of the confusion matrix."""

    rows: int
    opacity: float  # 0..1, its share of the true class
    hit: bool


def write_report(
    evaluation: EvaluationResult, test: DatasetSplit, probabilities: NDArray[np.float32], model: Path, run_id: str
) -> None:
    """Write `report.html` into the evaluation's folder.

    Args:
        probabilities: float32, N x K, one row per test image.
        model: the bundle's folder; its `history.json` gives the curves where it is there.
        run_id: id of the pipeline run; empty outside one.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("forebay.evaluate", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    path = model / HISTORY
    history = read_json(path) if path.exists() else []
    html = environment.get_template("report.html").render(
        evaluation=evaluation,
        run_id=run_id,
        class_list=class_list,
        baseline_rule=_baseline_rule(evaluation),
        history_charts=history_charts(history),
        confusion=_confusion(evaluation),
        per_class=_per_class(evaluation),
        roc_chart=_roc_chart(evaluation),
        calibration_chart=reliability_chart([CalibrationBin(**part) for part in evaluation.calibration], "Calibration"),
        mistakes=mistakes(test, probabilities, evaluation.classes),
        wrong_rows=int((probabilities.argmax(axis=1) != test.labels).sum()),
        provenance=provenance(evaluation, run_id),
    )
    write_bytes(evaluation.report, html.encode())


def history_charts(history: list[dict[str, Any]]) -> list[Markup]:
    """Loss and accuracy over the epochs; none where nothing was recorded."""
    limits: dict[str, dict[str, float]] = {"loss": {"floor": 0}, "accuracy": {"floor": 0, "ceiling": 1}}
    charts = []
    for what, limit in limits.items():
        series = [
            line for split, style in (("train", "s1"), ("validation", "s2"))
            if (line := _curve(history, f"{split}_{what}", split, style)).x
        ]  # fmt: skip
        if series:
            epochs = [float(x) for line in series for x in line.x]
            x_range = (min(epochs), max(max(epochs), min(epochs) + 1))
            frame = Frame(
                x=x_range, y=padded([y for line in series for y in line.y], **limit), x_label="epoch", y_label=what
            )
            charts.append(line_chart(frame, series, f"{what} by epoch"))
    return charts


def mistakes(test: DatasetSplit, probabilities: NDArray[np.float32], classes: list[str]) -> list[Mistake]:
    """The wrong answers that the model was surest of, surest first."""
    answers = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != test.labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return [
        Mistake(
            png_uri(test.images_NHWC(row, row + 1)[0]), classes[test.labels[row]], classes[answers[row]],
            float(confidence[row]),
        )
        for row in worst.tolist()
    ]  # fmt: skip


def provenance(evaluation: EvaluationResult, run_id: str) -> dict[str, dict[str, Any]]:
    """Where everything came from, by heading."""
    data, model = evaluation.data, evaluation.model
    lineage, training = model["lineage"], dict(model["training"])
    quarantined = ", ".join(f"{count} {reason}" for reason, count in sorted(data["quarantined"].items()))
    splits = ", ".join(f"{data['splits'][split]:,} {split}" for split in SPLITS)
    nested = {key: training.pop(key) for key in list(training) if isinstance(training[key], dict)}
    tables = {
        "Data": {
            "source": data["source"], "kind": data["kind"], "digest": data["digest"],
            "rows": f"{data['rows']:,} ({splits})",
            "quarantined": quarantined or "none", "split": f"by {data['split_kind']}, holdout {data['holdout']:g}",
        },
        "Model": {
            "registered name": evaluation.name, "architecture": model["architecture"], **model["options"],
            "input": f"{model['height']}x{model['width']}x{model['channels']}",
            "weights sha256": model["weights_sha256"],
        },
        "Lineage": {"pipeline run": run_id or None, **lineage},
        "Training": training,
        **{f"Training: {key}": value for key, value in nested.items()},
        "Evaluation": evaluation.settings,
    }  # fmt: skip
    return {
        heading: {_words(key): _shown(value) for key, value in rows.items()} for heading, rows in tables.items() if rows
    }


def _baseline_rule(evaluation: EvaluationResult) -> dict[str, Any] | None:
    """What the gate wanted against the constant answer, what it found, and how sure that is; None without that rule."""
    if evaluation.gate["baseline"] is None:
        return None
    found, config = Baseline(**evaluation.gate["baseline"]), EvaluateConfig(**evaluation.settings)
    unsure = doubt(found, [row["name"] for row in evaluation.per_class if row["support"]], config)
    return {
        "wanted": f"p below {config.significance:g}" if unsure is None else "more images right",
        "found": f"p = {found.p_value:.3g}, {found.only_model_right} won, {found.only_baseline_right} lost",
        "ok": refusal(found, config) is None,
        "doubt": unsure,
    }


def _curve(history: list[dict[str, Any]], key: str, name: str, style: str) -> Series:
    points = [(record["epoch"], record[key]) for record in history if record.get(key) is not None]
    return Series(name, [x for x, _ in points], [y for _, y in points], style)


def _confusion(evaluation: EvaluationResult) -> dict[str, Any]:
    """The matrix as a table of cells or as an image, and the pairs most often mixed up."""
    matrix = np.array(evaluation.confusion)
    classes = evaluation.classes
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:CONFUSED_PAIRS]
    pairs = [(classes[i // len(classes)], classes[i % len(classes)], int(off.flat[i])) for i in order if off.flat[i]]
    small = len(classes) <= MATRIX_CLASSES
    return {
        "cells": _cells(matrix) if small else None,
        "image": None if small else png_uri(heat_map(matrix)),
        "pairs": pairs,
    }


def _cells(matrix: NDArray[np.int64]) -> list[list[Cell]]:
    share = np.sqrt(matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1))
    return [
        [Cell(int(rows), round(float(share[i, j]), 3), i == j) for j, rows in enumerate(line)]
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
    frame = Frame(x=(0, 1), y=(0, 1), x_label="false positive rate", y_label="true positive rate")
    lines = [
        Series("chance", (0, 1), (0, 1), "guide"),
        Series(f"micro, AUC {evaluation.metrics['roc_auc_micro']:.4f}", fpr, tpr, "s1"),
    ]
    if "roc_auc_macro" in evaluation.metrics:  # not where all held-out rows are of one class
        lines.append(
            Series(f"macro, AUC {evaluation.metrics['roc_auc_macro']:.4f}", *evaluation.macro_roc, "s2"),
        )
    return line_chart(frame, lines, "One-versus-rest ROC")


def _words(key: str) -> str:
    return key.replace("_", " ")


def _shown(value: Any) -> str:
    """A fact as text; settings keep the number they were given."""
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    return str(value)
