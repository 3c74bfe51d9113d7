"""The MLflow side of a new version: the logged model, its metrics and the tags that join it to data, code and runs."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from forebay import tracking
from forebay.contracts.shards import open_split
from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.logged_model import log_model
from forebay.register.model_card import model_card, model_description
from forebay.register.run_page import fill_run_page, report_link
from forebay.registry import ACCURACY_TAG, DATA_TAG, RUN_TAG, WEIGHTS_TAG, record_tags
from forebay.settings import RegisterConfig
from forebay.settings.environment import IMAGE_VARIABLE
from forebay.state import StepLog

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def create_version(
    client: "MlflowClient", dataset: Path, folder: Path, bundle: EvaluatedBundle, config: RegisterConfig, log: StepLog
) -> str:
    """Log the files in a folder as an MLflow model and make it a version; returns its number.

    The version comes last, whole with its tags and its description; everything before it may be written again.
    """
    name = bundle.evaluation.name
    run = _training_run(client, bundle, log)
    run_id = str(run.info.run_id)
    tracking.log_data(client, run_id, _data_input(bundle))  # the run of an earlier Forebay, or a new one, has none
    fill_run_page(client, run, bundle.evaluation, log)
    tags = version_tags(bundle, log.run_id, os.environ.get(IMAGE_VARIABLE, "local"))
    example = open_split(dataset, bundle.data, "test").images_NHWC(0, config.example_rows)
    model_id = log_model(client, run, folder, bundle.spec, example, tags)
    _log_metrics(client, run_id, model_id, bundle.evaluation.metrics)
    _ensure_name(client, name, model_description(bundle.data))
    card = model_card(bundle, model_id, report_link(run))
    created = client.create_model_version(
        name, f"models:/{model_id}", run_id, tags, description=card, model_id=model_id
    )
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
        ACCURACY_TAG: f"{evaluation.accuracy['value']:.6f}",
        "forebay.gate": evaluation.gate["reason"],
    }


def _training_run(client: "MlflowClient", bundle: EvaluatedBundle, log: StepLog) -> "Run":
    """The MLflow run that trained the bundle, or a new one where that run is gone (another store, or deleted)."""
    from mlflow import MlflowException

    wanted = str(bundle.spec.lineage.get("mlflow_run_id") or "")
    try:
        if wanted and (found := client.get_run(wanted)).info.lifecycle_stage == "active":
            return found
    except MlflowException as error:
        log.warn(f"MLflow has no run {wanted}, in which the model was trained ({error}); a new run takes its place")
    run = client.create_run(tracking.experiment_id(client, log.home), run_name=f"register {log.run_id}".strip())
    client.set_terminated(run.info.run_id)
    return run


def _data_input(bundle: EvaluatedBundle) -> tracking.DataInput:
    is_trained = "versions" not in bundle.spec.training  # else it was put together from versions
    return tracking.DataInput(data=bundle.data, context="training" if is_trained else "evaluation")


def _log_metrics(client: "MlflowClient", run_id: str, model_id: str, metrics: dict[str, float]) -> None:
    """Log evaluate's metrics to the run and to the model."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    rows = [Metric(f"test_{key}", value, now, 0, model_id=model_id, run_id=run_id) for key, value in metrics.items()]
    client.log_batch(run_id, metrics=rows)


def _ensure_name(client: "MlflowClient", name: str, description: str) -> None:
    """Make the registered model where there is none; one without a description gets it."""
    from mlflow import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, description)
