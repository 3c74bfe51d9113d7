"""What the page shows of a served model: its bundle's facts, and those that the state folder has of its version."""

import re
from pathlib import Path
from typing import Any

from forebay.serving.app.request_examples import v1_example
from forebay.serving.app.routes import report_path
from forebay.serving.repository.served_model import ServedModel
from forebay.serving.state import ServingFiles, VersionFacts, read_version_facts
from forebay.state import Home, RunFolder

_RUN_ID = re.compile(r"\w[\w-]*")  # a name that leads nowhere else, whoever wrote the file


def model_facts(model: ServedModel, home: Home | None, *, has_report: bool) -> dict[str, Any]:
    """The facts of one model, for the page.

    Args:
        model: as it is served.
        home: the state folder; None where there is none.
        has_report: whether the page may link the report.
    """
    spec = model.classifier.spec
    known = _version_facts(model, home)
    return {
        "name": model.name,
        "version": model.version,
        "height": spec.height,
        "width": spec.width,
        "channels": spec.channels,
        "classes": spec.classes,
        "network": f"ensemble of {len(spec.members)}" if spec.members else spec.architecture,
        "data": str(spec.data.get("name", "")),
        "fit": spec.fit,
        "mean": sum(spec.mean) / len(spec.mean),  # of the training images, 0..1: dark ones are drawn in white on black
        "example": v1_example(model),
        "accuracy": _fraction(known.accuracy),
        "card": known.card,
        "run_id": known.run_id,
        "mlflow": known.mlflow,
        "mlflow_version": known.mlflow_version,
        "report": report_path(model.name) if has_report else None,
    }


def report_file(home: Home | None, model: ServedModel) -> Path | None:
    """The report of the run that made a served version; None where it is not here, or no longer."""
    run_id = _version_facts(model, home).run_id
    if home is None or not _RUN_ID.fullmatch(run_id):
        return None
    file = RunFolder(home.runs / run_id).report
    return file if file.is_file() else None


def _version_facts(model: ServedModel, home: Home | None) -> VersionFacts:
    """What is kept of the version, if it is of these very weights."""
    nothing = VersionFacts(weights_sha256="")
    if home is None:
        return nothing
    found = read_version_facts(ServingFiles.of(home), model.name, model.version)
    same = found is not None and found.weights_sha256 == model.classifier.spec.weights_sha256
    return found if found is not None and same else nothing


def _fraction(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
