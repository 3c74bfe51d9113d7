"""The register step: the bundle becomes an MLflow model version, joined by tags to its data, code and runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from forebay import tracking
from forebay.contracts.bundles.digest import bundle_digest, bundle_record
from forebay.contracts.bundles.spec import check_train_output, read_spec
from forebay.contracts.evaluation import EvaluationResult
from forebay.contracts.manifest import SplitManifest
from forebay.errors import ModelError
from forebay.register.evaluated_bundle import EvaluatedBundle
from forebay.register.model_version import create_version
from forebay.register.signed_bundle import bundle_to_register, load_usable_key
from forebay.registry import find_versions, record_tags, resolve
from forebay.settings import RegisterConfig
from forebay.signing import SigningKey, is_signed
from forebay.state import StepLog

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register(dataset: Path, model: Path, evaluation: Path, config: RegisterConfig, log: StepLog) -> str:
    """Register a bundle, signed where a key is given; a bundle that is registered already keeps its version.

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
        ConfigError, MachineError: the signing key, or signing on this machine, cannot be used.
    """
    key = load_usable_key()
    result = EvaluationResult.read(evaluation)
    check_train_output(model)
    data = SplitManifest.read(dataset)
    bundle = EvaluatedBundle(record=bundle_record(model), spec=read_spec(model), evaluation=result, data=data)
    _check_evaluated(evaluation, model, bundle)
    client = tracking.client(log.home)
    version = _find_registered(client, bundle, key, log)
    if version is None:
        with bundle_to_register(model, key, log.home.root) as folder:
            version = create_version(client, dataset, folder, bundle, config, log)
    log.result(model={"name": result.name, "version": version, "weights_sha256": bundle.spec.weights_sha256})
    return version


def _check_evaluated(evaluation: Path, model: Path, bundle: EvaluatedBundle) -> None:
    """What is registered must be what was evaluated, to the last byte."""
    found, spec, record = bundle.evaluation.model, bundle.spec, bundle.record
    if found["weights_sha256"] != spec.weights_sha256:
        raise ModelError(
            f"{evaluation} is about weights {found['weights_sha256'][:12]}…, {model} holds "
            f"{spec.weights_sha256[:12]}…. Evaluate this bundle before it is registered."
        )
    evaluated = found.get("bundle_digest", record.digest)  # an evaluation of an earlier version has none
    if evaluated != record.digest:
        raise ModelError(
            f"{model} was changed since {evaluation} was made: its digest is {record.digest[:12]}…, evaluated was "
            f"{evaluated[:12]}…. Evaluate this bundle before it is registered."
        )


def _find_registered(
    client: "MlflowClient", bundle: EvaluatedBundle, key: SigningKey | None, log: StepLog
) -> str | None:
    """The newest version that predicts like this bundle, unless its files are gone, changed or lack a signature.

    A version that an earlier Forebay registered gets its digest here, if its files are those that were evaluated.
    """
    name, spec, record = bundle.evaluation.name, bundle.spec, bundle.record
    for version in find_versions(client, name, spec.weights_sha256):
        try:
            found = resolve(log.home, f"{name}/{version}")
            if not read_spec(found.folder).predicts_like(spec):
                continue
            if key is not None and not is_signed(found.folder, key.public):
                log.warn(f"{name} version {version} is not signed by this key. A signed one takes its place.")
                continue
            if found.record is None and bundle_digest(found.folder) == record.digest:  # an earlier Forebay's
                for tag, value in record_tags(record).items():
                    client.set_model_version_tag(name, version, tag, value)
            return version
        except ModelError as error:
            log.warn(f"{error} A new version takes its place.")
            return None
    return None
