"""The register step: the bundle becomes an MLflow model version, joined by tags to its data, code and runs."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay import tracking
from forebay.contracts.bundles.digest import bundle_digest, bundle_record
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import ModelSpec, check_train_output, read_spec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import open_split
from forebay.errors import ModelError
from forebay.register.signed import as_registered, usable_key
from forebay.registry import DATA_TAG, WEIGHTS_TAG, find_versions, record_tags, resolve
from forebay.settings import RegisterConfig
from forebay.settings.environment import IMAGE_VARIABLE
from forebay.signing import SigningKey, is_signed
from forebay.state import StepLog
from forebay.version import VERSION

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOADER = "forebay.register.pyfunc"


def register(dataset: Path, model: Path, evaluation: Path, config: RegisterConfig, log: StepLog) -> str:
    """Register a bundle, signed where a key is given; the same bundle again gives the version it has.

    The version is created last, in one call with its tags, so a kill at any moment leaves none or a whole one.

    Args:
        dataset: preprocess's output folder; its first test rows become the input example.
        model: the bundle.
        evaluation: evaluate's output folder; names the registered model and gives the metrics.

    Returns:
        The version number.

    Raises:
        DamagedArtifactError: a file that it reads is not what its step wrote.
        ModelError: the bundle is broken, or another one was evaluated.
        ConfigError, MachineError: the signing key cannot be used, or not here.
    """
    key = usable_key()
    facts = EvaluationResult.read(evaluation)
    check_train_output(model)
    record = bundle_record(model)
    spec = read_spec(model)
    _check_evaluated(evaluation, facts, model, spec, record)
    client = tracking.client(log.home)
    version = _registered(client, spec, facts, log, record, key)
    if version is None:
        with as_registered(model, key, log.home.root) as bundle:
            version = _create(client, dataset, bundle, spec, facts, config, log, record)
    log.result(model={"name": facts.name, "version": version, "weights_sha256": spec.weights_sha256})
    return version


def _check_evaluated(
    evaluation: Path, facts: EvaluationResult, model: Path, spec: ModelSpec, record: BundleRecord
) -> None:
    """What is registered must be what was evaluated, to the last byte."""
    if facts.model["weights_sha256"] != spec.weights_sha256:
        raise ModelError(
            f"{evaluation} is about weights {facts.model['weights_sha256'][:12]}…, {model} holds "
            f"{spec.weights_sha256[:12]}…. Evaluate this bundle before it is registered."
        )
    evaluated = facts.model.get("bundle_digest", record.digest)  # an evaluation of an earlier version has none
    if evaluated != record.digest:
        raise ModelError(
            f"{model} was changed since {evaluation} was made: its digest is {record.digest[:12]}…, evaluated was "
            f"{evaluated[:12]}…. Evaluate this bundle before it is registered."
        )


def version_tags(
    spec: ModelSpec, facts: EvaluationResult, run_id: str, image: str, record: BundleRecord
) -> dict[str, str]:
    """What joins a version to its files, data, code, pipeline run and image."""
    return {
        WEIGHTS_TAG: spec.weights_sha256,
        **record_tags(record),
        DATA_TAG: facts.data["digest"],
        "forebay.source": facts.data["source"],
        "forebay.code_version": str(spec.lineage.get("code_version", "")),
        "forebay.run_id": run_id,
        "forebay.image": image,
        "forebay.architecture": spec.architecture,
        "forebay.accuracy": f"{facts.accuracy['value']:.6f}",
        "forebay.gate": facts.gate["reason"],
    }


def _registered(
    client: "MlflowClient",
    spec: ModelSpec,
    facts: EvaluationResult,
    log: StepLog,
    record: BundleRecord,
    key: SigningKey | None,
) -> str | None:
    """The newest version that answers as this bundle does, unless its files are gone, were changed or want a signature.

    One that an earlier Forebay registered gets its digest here, where its files are the very ones that were evaluated.
    """
    for version in find_versions(client, facts.name, spec.weights_sha256):
        try:
            found = resolve(log.home, f"{facts.name}/{version}")
            if not read_spec(found.folder).predicts_like(spec):
                continue
            if key is not None and not is_signed(found.folder, key.public):
                log.warn(f"{facts.name} version {version} is not signed by this key. A signed one takes its place.")
                continue
            if found.record is None and bundle_digest(found.folder) == record.digest:  # an earlier Forebay's
                for name, value in record_tags(record).items():
                    client.set_model_version_tag(facts.name, version, name, value)
            return version
        except ModelError as error:
            log.warn(f"{error} A new version takes its place.")
            return None
    return None


def _create(
    client: "MlflowClient",
    dataset: Path,
    model: Path,
    spec: ModelSpec,
    facts: EvaluationResult,
    config: RegisterConfig,
    log: StepLog,
    record: BundleRecord,
) -> str:
    run_id = _training_run(client, spec, log)
    tags = version_tags(spec, facts, log.run_id, os.environ.get(IMAGE_VARIABLE, "local"), record)
    model_id = _log_model(client, run_id, dataset, model, spec, config, tags)
    _log_metrics(client, run_id, model_id, facts.metrics)
    _ensure_name(client, facts.name)
    created = client.create_model_version(facts.name, f"models:/{model_id}", run_id, tags, model_id=model_id)
    return str(created.version)


def _training_run(client: "MlflowClient", spec: ModelSpec, log: StepLog) -> str:
    """The MLflow run that trained the bundle, or a new one where that is gone (another store, or deleted)."""
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
    """Evaluate's metrics, on the run and on the model of the version."""
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
