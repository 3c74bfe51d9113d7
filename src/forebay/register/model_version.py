"""The MLflow side of a new version: the logged model, its metrics and the tags that join it to data, code and runs."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay import tracking
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.registry import DATA_TAG, RUN_TAG, WEIGHTS_TAG, record_tags
from forebay.settings import RegisterConfig
from forebay.settings.environment import IMAGE_VARIABLE
from forebay.state import StepLog
from forebay.version import VERSION

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOADER = "forebay.register.pyfunc"


@dataclass(frozen=True, kw_only=True)
class EvaluatedBundle:
    """A bundle with what is known of it."""

    spec: ModelSpec
    record: BundleRecord
    evaluation: EvaluationResult


def create_version(
    client: "MlflowClient", dataset: Path, folder: Path, bundle: EvaluatedBundle, config: RegisterConfig, log: StepLog
) -> str:
    """Log the files in a folder as an MLflow model and make it a version; returns its number."""
    name = bundle.evaluation.name
    run_id = _training_run(client, bundle.spec, log)
    tags = version_tags(bundle, log.run_id, os.environ.get(IMAGE_VARIABLE, "local"))
    model_id = _log_model(client, run_id, dataset, folder, bundle.spec, config, tags)
    _log_metrics(client, run_id, model_id, bundle.evaluation.metrics)
    _ensure_name(client, name)
    created = client.create_model_version(name, f"models:/{model_id}", run_id, tags, model_id=model_id)
    return str(created.version)


def version_tags(bundle: EvaluatedBundle, run_id: str, image: str) -> dict[str, str]:
    """The tags that join a version to its files, data, code, pipeline run and container image."""
    spec, evaluation = bundle.spec, bundle.evaluation
    return {
        WEIGHTS_TAG: spec.weights_sha256,
        **record_tags(bundle.record),
        DATA_TAG: evaluation.data["digest"],
        "forebay.source": evaluation.data["source"],
        "forebay.code_version": str(spec.lineage.get("code_version", "")),
        RUN_TAG: run_id,
        "forebay.image": image,
        "forebay.architecture": spec.architecture,
        "forebay.accuracy": f"{evaluation.accuracy['value']:.6f}",
        "forebay.gate": evaluation.gate["reason"],
    }


def _training_run(client: "MlflowClient", spec: ModelSpec, log: StepLog) -> str:
    """The MLflow run that trained the bundle, or a new one where that run is gone (another store, or deleted)."""
    from mlflow import MlflowException

    wanted = str(spec.lineage.get("mlflow_run_id") or "")
    try:
        if wanted and client.get_run(wanted).info.lifecycle_stage == "active":
            return wanted
    except MlflowException as error:
        log.warn(f"MLflow has no run {wanted}, in which the model was trained ({error}); a new run takes its place")
    run = client.create_run(tracking.experiment_id(client, log.home), run_name=f"register {log.run_id}".strip())
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _log_model(
    client: "MlflowClient", run_id: str, dataset: Path, model: Path, spec: ModelSpec, config: RegisterConfig,
    tags: dict[str, str],
) -> str:  # fmt: skip
    """Log the bundle as an MLflow model of the training run; returns its id."""
    import mlflow
    from mlflow.entities import LoggedModelOutput

    data = SplitManifest.read(dataset)
    example = open_split(dataset, data, "test").images_NHWC(0, config.example_rows)
    experiment = client.get_run(run_id).info.experiment_id
    # Made here, not by log_model: that one takes the experiment of an active run, and opening the training run again
    # would change the end and the state that it has on record.
    made = client.create_logged_model(
        experiment, name=spec.architecture, source_run_id=run_id, tags=tags, model_type=spec.task
    )
    mlflow.pyfunc.log_model(
        name=spec.architecture,
        model_id=made.model_id,
        loader_module=LOADER,
        data_path=str(model),
        signature=_signature(spec),
        input_example=example,
        pip_requirements=[f"forebay=={VERSION}"],  # given, because MLflow would load the model once more to guess
    )
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    return str(made.model_id)


def _signature(spec: ModelSpec) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    pixels = TensorSpec(np.dtype(np.uint8), (-1, spec.height, spec.width, spec.channels))
    probabilities = TensorSpec(np.dtype(np.float32), (-1, len(spec.classes)))
    return ModelSignature(inputs=Schema([pixels]), outputs=Schema([probabilities]))


def _log_metrics(client: "MlflowClient", run_id: str, model_id: str, metrics: dict[str, float]) -> None:
    """Log evaluate's metrics to the run and to the model."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    rows = [Metric(f"test_{key}", value, now, 0, model_id=model_id, run_id=run_id) for key, value in metrics.items()]
    client.log_batch(run_id, metrics=rows)


def _ensure_name(client: "MlflowClient", name: str) -> None:
    from mlflow import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
