"""What evaluate writes: `evaluation.json`, the predictions, the smoke rows and the report."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.errors import DataError
from forebay.state.files import read_json, write_json
from forebay.state.machine_errors import add_file_name
from forebay.state.sealed import check_content

EVALUATION = "evaluation.json"
PREDICTIONS = "predictions.parquet"  # a row for each test image; `evaluate.predictions` has the columns
SMOKE = "smoke.npz"  # the first test rows with their answers, for deploy's smoke test
REPORT = "report.html"  # self-contained
CONFUSION_IMAGE = "confusion_matrix.png"
CURVES_IMAGE = "curves.png"  # of the training; only where the bundle has curves
FILES = (EVALUATION, PREDICTIONS, SMOKE, REPORT, CONFUSION_IMAGE, CURVES_IMAGE)

_STEP = "evaluate"
PASSED = "passed"
REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """What a model showed on held-out rows, and what the gate said. Fractions are 0..1; every number is finite."""

    folder: Path  # where the files lie; not stored
    name: str  # registered model name
    decision: str  # passed or refused
    gate: dict[str, Any]  # passed, reason, version (of identical weights, else None), champion, baseline, unjudged
    model: dict[str, Any]  # architecture, options, weights_sha256, …, as the bundle records them; its bundle_digest
    data: dict[str, Any]  # rows, classes, digest, quarantined by reason, splits, split_kind, source
    accuracy: dict[str, Any]  # value, low, high, rows, confidence
    metrics: dict[str, float]  # flat, for MLflow and KFP
    classes: list[str]
    per_class: list[dict[str, Any]]  # name, support, precision, recall, auc; None where undefined or not judged
    confusion: list[list[int]]  # rows are true classes, columns predicted
    roc: tuple[list[float], list[float], list[float]]  # micro-averaged fpr, tpr, thresholds; at most 200 points
    macro_roc: tuple[list[float], list[float]]  # fpr, tpr
    calibration: list[dict[str, Any]]  # low, high, rows, confidence, accuracy per bin that holds rows
    settings: dict[str, Any]  # evaluate's, as resolved
    ensemble: dict[str, Any] | None = None  # of an ensemble: its members alone, and the gain over the best of them
    train_accuracy: float | None = None  # of the delivered epoch, as trained on; None without training curves
    overfitting: str | None = None  # the sentence that says so, else None
    format: int = 1

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT

    def write(self) -> None:
        """Write `evaluation.json` into the folder."""
        values = asdict(self)
        del values["folder"]
        write_json(self.folder / EVALUATION, values)

    @classmethod
    def read(cls, folder: Path) -> "EvaluationResult":
        """Read `evaluation.json`.

        Raises:
            DamagedArtifactError: the folder is not complete, or the file is not the one that evaluate wrote.
            DataError: the file holds no evaluation.
        """
        check_content(folder, _STEP, [EVALUATION])
        try:
            values = read_json(folder / EVALUATION)
            return cls(folder=folder, **values | {key: tuple(values[key]) for key in ("roc", "macro_roc")})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(
                source=str(folder),
                problem=f"no readable {EVALUATION} ({error})",
                fix="Give the output folder of evaluate, or run that step again",
            ) from error


def write_smoke(folder: Path, images_NHWC: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> None:
    """Write rows for the smoke test: images, and the N x K probabilities that evaluate got for them."""
    with add_file_name(folder / SMOKE), (folder / SMOKE).open("wb") as file:
        np.savez(file, allow_pickle=False, images=images_NHWC, probabilities=probabilities)


def read_smoke(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Read the images and probabilities that `write_smoke` wrote; pickles are refused.

    Raises:
        DamagedArtifactError: the file is not the one that evaluate wrote.
        DataError: it cannot be parsed.
    """
    check_content(folder, _STEP, [SMOKE])
    try:
        with np.load(folder / SMOKE, allow_pickle=False) as arrays:
            return arrays["images"], arrays["probabilities"]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            source=str(folder / SMOKE), problem=f"cannot be read ({error})", fix="Run evaluate again"
        ) from error
