"""The evaluate step: predict the held-out rows, measure, let the gate decide, and write the report."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.digest import bundle_record
from forebay.contracts.bundles.spec import ModelSpec, check_train_output
from forebay.contracts.calibration import ERROR_BEFORE
from forebay.contracts.evaluation import CONFUSION_IMAGE, CURVES_IMAGE, PASSED, REFUSED, EvaluationResult
from forebay.contracts.holdout import HASH
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.overfitting import (
    Curves,
    find_held_out_gap,
    find_overfitting,
    first_network,
    read_curves,
    train_accuracy,
)
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.errors import DataError, ModelError
from forebay.evaluate.chart_images import confusion_png, curves_png
from forebay.evaluate.comparison import held_out_for
from forebay.evaluate.decide import Candidate, decide
from forebay.evaluate.measurements import ClassifierMeasurements, calibration_error, measure_classifier
from forebay.evaluate.members import HeldOutAnswers, predict_with_members
from forebay.evaluate.predictions import write_predictions, write_smoke_rows
from forebay.evaluate.report import write_report
from forebay.settings import AUTO, EvaluateConfig
from forebay.state import StepLog, empty_folder, seal, write_bytes


def evaluate(dataset: Path, model: Path, out: Path, config: EvaluateConfig, log: StepLog) -> EvaluationResult:
    """Measure a model on the test rows that it was not trained on, and decide whether it may be deployed.

    Args:
        dataset: preprocess's output folder.
        model: train's output folder, a bundle.
        out: is emptied first; receives the files that `contracts.evaluation` describes.

    Raises:
        DamagedArtifactError: a file of the data or of the bundle is not what its step wrote.
        ModelError: the bundle cannot be loaded or does not fit the data, or the champion cannot be loaded.
        DataError: none of the test rows was held out when the model was trained.
    """
    from forebay.models import load_bundle

    data = SplitManifest.read(dataset)
    check_train_output(model)
    record = bundle_record(model)
    classifier = load_bundle(model, record)
    _check_input(classifier.spec, data)
    test = _held_out(open_split(dataset, data, "test"), classifier.spec, data, log)
    empty_folder(out)
    answers = predict_with_members(classifier, test, config.confidence, log)
    probabilities, gain = answers.probabilities, answers.gain
    resolved = replace(config, name=data.name if config.name == AUTO else config.name)
    is_right = probabilities.argmax(axis=1) == test.labels
    decision = decide(_candidate(resolved.name, classifier.spec, data, test, is_right), resolved, log)
    measured = _measure(test, answers, data, config)
    history = read_curves(model)
    curves = first_network(history)
    evaluation = EvaluationResult(
        folder=out, name=resolved.name, decision=PASSED if decision.passed else REFUSED, gate=decision.as_dict(),
        model={**_model_facts(classifier.spec), "bundle_digest": record.digest},
        data=_data_facts(data), classes=data.classes, settings=asdict(resolved),
        train_accuracy=train_accuracy(curves, classifier.spec.training),
        overfitting=_overfitting(curves, classifier.spec, measured.accuracy, log),
        ensemble=gain.as_dict() if gain else None, **vars(measured),
    )  # fmt: skip
    _write_files(evaluation, test, probabilities, history, log)
    seal(out)
    log.result(**_result_facts(evaluation))
    return evaluation


def _measure(
    test: DatasetSplit, answers: HeldOutAnswers, data: SplitManifest, config: EvaluateConfig
) -> ClassifierMeasurements:
    measured = measure_classifier(test.labels, answers.probabilities, data.classes, config.confidence)
    measured.metrics.update(answers.gain.metrics if answers.gain else {})
    if answers.untempered is not None:
        measured.metrics[ERROR_BEFORE] = calibration_error(test.labels, answers.untempered)
    return measured


def _candidate(
    name: str, spec: ModelSpec, data: SplitManifest, test: DatasetSplit, is_right: NDArray[np.bool_]
) -> Candidate:
    return Candidate(name=name, spec=spec, test=test, split_kind=data.split_kind, is_right=is_right)


def _overfitting(curves: Curves, spec: ModelSpec, accuracy: dict[str, Any], log: StepLog) -> str | None:
    """What the training's own validation rows say, else what the held-out rows do; train has told of the first."""
    found = find_overfitting(curves, spec.training, _validation_rows(spec))
    if found:
        return found.text
    found = find_held_out_gap(curves, spec.training, accuracy["value"], accuracy["rows"])
    if found:
        log.warn(found.text)
    return found.text if found else None


def _validation_rows(spec: ModelSpec) -> int:
    """Of the model's own training; 0 where the bundle does not say."""
    splits = spec.data.get("splits")
    rows = splits.get("validation") if isinstance(splits, dict) else None
    return rows if isinstance(rows, int) else 0


def _check_input(spec: ModelSpec, data: SplitManifest) -> None:
    model = (spec.classes, spec.height, spec.width, spec.channels)
    if model != (data.classes, data.height, data.width, data.channels):
        raise ModelError(
            f"The model takes {spec.height}x{spec.width}x{spec.channels} images of {len(spec.classes)} classes, the "
            f"data {data.name} has {data.height}x{data.width}x{data.channels} of {len(data.classes)} (or other names). "
            "Train on this data, or prepare it with the ingest.size and ingest.channels of the model's own."
        )


def _held_out(test: DatasetSplit, spec: ModelSpec, data: SplitManifest, log: StepLog) -> DatasetSplit:
    """The test rows that the model was not trained on; all of them where it was trained on this data."""
    keep = held_out_for(spec, data.split_kind, test.sha256)
    if keep is None:
        if data.split_kind == HASH and spec.data.get("split_kind"):
            log.warn(
                "the model was trained on a split that its source brought, so nothing tells whether it was trained on "
                "some of these rows"
            )
        return test
    if not keep.any():
        raise DataError(
            source=data.source,
            problem=f"none of the {len(test)} test rows is known to be held out for this model",
            fix="Split the data as its own was, by preprocess.split=hash and preprocess.holdout="
            f"{spec.data['holdout']:g}, and add images where that leaves too few",
        )
    if not keep.all():
        log.warn(
            f"{int((~keep).sum())} of {len(test)} test rows do not count: they are not known to be held out for this "
            "model, which was trained on another split"
        )
    return test if keep.all() else test.select(keep)


def _model_facts(spec: ModelSpec) -> dict[str, Any]:
    kept = (
        "library", "library_version", "architecture", "options", "weights_sha256", "training", "lineage", "height",
        "width", "channels",
    )  # fmt: skip
    temperatures = [network.temperature for network in spec.networks]
    return {
        **{key: getattr(spec, key) for key in kept},
        "temperature": temperatures if spec.members else temperatures[0],
        "validation_rows": _validation_rows(spec),
    }


def _data_facts(data: SplitManifest) -> dict[str, Any]:
    """The facts of the data; of the classes their number, and without the long list of exceptions."""
    left_out = ("validation", "exceptions")
    facts = {key: value for key, value in data.data_facts.items() if key not in left_out}
    return {**facts, "classes": len(data.classes)}


def _write_files(
    evaluation: EvaluationResult, test: DatasetSplit, probabilities: NDArray[np.float32], history: Curves, log: StepLog
) -> None:
    """Write all files of `contracts.evaluation`."""
    folder = evaluation.folder
    evaluation.write()
    write_predictions(folder, test, probabilities, evaluation.classes)
    write_smoke_rows(folder, test, probabilities)
    write_report(evaluation, test, probabilities, history, log.run_id, log.home)
    write_bytes(folder / CONFUSION_IMAGE, confusion_png(evaluation.confusion, evaluation.classes))
    if curves := curves_png(history):
        write_bytes(folder / CURVES_IMAGE, curves)


def _result_facts(evaluation: EvaluationResult) -> dict[str, Any]:
    """The facts that run summaries and later steps read."""
    return {
        "data": {key: evaluation.data[key] for key in ("rows", "classes", "digest", "quarantined")},
        "accuracy": {key: evaluation.accuracy[key] for key in ("value", "low", "high", "rows")},
        "gate": {key: evaluation.gate[key] for key in ("passed", "reason")},
        "model": {
            "name": evaluation.name,
            "version": evaluation.gate["version"],
            "weights_sha256": evaluation.model["weights_sha256"],
        },
        "ensemble": _ensemble_facts(evaluation),
        "report": str(evaluation.report),
        "overfitting": evaluation.overfitting,
    }


def _ensemble_facts(evaluation: EvaluationResult) -> dict[str, Any] | None:
    found = evaluation.ensemble
    kept = ("best", "best_accuracy", "gain", "low", "high", "p_value")
    return {"members": len(found["members"]), **{key: found[key] for key in kept}} if found else None
