"""One bundle from the networks of registered versions: what the train step does with `train.ensemble`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from forebay import registry
from forebay.contracts.bundles.digest import MAX_FILE_BYTES
from forebay.contracts.bundles.ensemble_spec import common_data_facts, ensemble_spec
from forebay.contracts.bundles.examples import example_rows, write_examples
from forebay.contracts.bundles.spec import HISTORY, ModelSpec, read_unverified_spec
from forebay.contracts.holdout import HASH, held_out_rows
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.errors import DataError, MachineError, ModelError
from forebay.models import save_bundle
from forebay.models.bundle_files import ensemble_weights, read_networks
from forebay.models.memory import usable_memory_bytes
from forebay.settings import TrainConfig
from forebay.settings.ensembles import VersionReference, parse_versions
from forebay.state import StepLog, read_json, seal, write_json
from forebay.tracking import DataInput
from forebay.train.checkpoints.checkpoint import checkpoint_key
from forebay.train.mlflow_run import TrackedRun
from forebay.train.result import TrainResult
from forebay.train.timeouts import TrainTimeouts
from forebay.version import code_version

COPIES_IN_MEMORY = 2  # of all weights: as they are read, and as the file is made from them


@dataclass(frozen=True, kw_only=True)
class RegisteredModel:
    """A registered version with its networks."""

    bundle: registry.RegisteredBundle
    spec: ModelSpec
    networks: list[dict[str, Tensor]]

    @property
    def name(self) -> str:
        """As `digits/3`."""
        return f"{self.bundle.name}/{self.bundle.version}"

    @property
    def network_names(self) -> list[str]:
        """What each of its networks is called; a version that is an ensemble has several."""
        count = len(self.networks)
        return [self.name] if count == 1 else [f"{self.name} ({number} of {count})" for number in range(1, count + 1)]


def assemble(dataset: Path, out: Path, config: TrainConfig, log: StepLog, timeouts: TrainTimeouts) -> TrainResult:
    """Write the bundle whose answer is the mean of what the versions in `train.ensemble` answer.

    Args:
        dataset: output folder of preprocess; some of its test rows become the bundle's examples.
        out: receives the files of a bundle.
        config: names the versions.
        log: its home leads to the registry.
        timeouts: how long to wait for MLflow.

    Raises:
        ModelError: there is no such version, it is not as it was registered, or the versions do not take the same
            images or tell the same classes apart.
        DataError: no test row is known to be held out for all of them.
        MachineError: their weights do not fit into memory.
    """
    data = SplitManifest.read(dataset)
    found = [_resolve(log, reference) for reference in parse_versions(config.ensemble)]
    _check_size(found)
    models = []
    for bundle in found:
        spec, networks = read_networks(bundle.folder, bundle.record)
        models.append(RegisteredModel(bundle=bundle, spec=spec, networks=networks))
        log.progress(len(models), len(found), "models")
    code = config.code_version or code_version()
    spec = _spec(models, data, code)
    test = _held_out(open_split(dataset, data, "test"), spec, data)
    run_id = _track(spec, data, code, timeouts, log)
    spec.lineage["mlflow_run_id"] = run_id
    spec = save_bundle(out, spec, ensemble_weights([each for model in models for each in model.networks]))
    write_json(out / HISTORY, _history(models))
    write_examples(out, test.images_NHWC(0, example_rows(data.height, data.width, data.channels)))
    seal(out)
    metrics = {"members": float(len(spec.members))}
    log.result(training={"settings": spec.training, "metrics": metrics, "mlflow_run_id": run_id})
    return TrainResult(spec=spec, metrics=metrics)


def _resolve(log: StepLog, reference: VersionReference) -> registry.RegisteredBundle:
    bundle = registry.resolve(log.home, str(reference))
    digest = bundle.identity
    if not digest.startswith(reference.digest):
        raise ModelError(
            f"{reference} is another model than the one that was asked for: its digest is {digest[:12]}…, not "
            f"{reference.digest}…. Give `forebay ensemble` again."
        )
    if bundle.note:
        log.warn(bundle.note)
    return bundle


def _check_size(bundles: Sequence[registry.RegisteredBundle]) -> None:
    """Refuse, before anything is read, what fits neither into one file nor into memory."""
    names = [read_unverified_spec(bundle.folder).weights_name for bundle in bundles]
    needed = sum((bundle.folder / name).stat().st_size for bundle, name in zip(bundles, names, strict=True))
    if needed > MAX_FILE_BYTES:
        raise ModelError(
            f"The weights of these {len(bundles)} versions have {needed} bytes, and a bundle takes {MAX_FILE_BYTES}. "
            "Leave some out."
        )
    free = usable_memory_bytes()
    if COPIES_IN_MEMORY * needed > free:
        raise MachineError(
            f"Putting {len(bundles)} versions together takes {COPIES_IN_MEMORY * needed} bytes of memory, and {free} "
            "are free. Leave some out."
        )


def _spec(models: Sequence[RegisteredModel], data: SplitManifest, code: str) -> ModelSpec:
    by_name = {model.name: model.spec for model in models}
    classes = models[0].spec.classes
    if set(data.classes) == set(classes):
        classes = data.classes
    return ensemble_spec(
        by_name,
        classes,
        training={"members": sum(len(model.networks) for model in models), "versions": list(by_name)},
        data=common_data_facts(by_name),
        lineage={"code_version": code, "members": [origin for model in models for origin in _origins(model)]},
    )


def _origins(model: RegisteredModel) -> list[dict[str, Any]]:
    record, lineage = model.bundle.record, model.spec.lineage
    facts = {
        "version": model.name,
        "weights_sha256": model.spec.weights_sha256,
        "bundle_digest": record.digest if record else None,
        "mlflow_run_id": lineage.get("mlflow_run_id"),
        "code_version": lineage.get("code_version"),
        "data_digest": model.spec.data.get("digest"),
    }
    return [{"name": name, **facts} for name in model.network_names]


def _held_out(test: DatasetSplit, spec: ModelSpec, data: SplitManifest) -> DatasetSplit:
    """The test rows that no member was trained on."""
    if spec.data["split_kind"] != HASH:
        return test  # the source's own test part, as each member's training took it
    keep = held_out_rows(test.sha256, spec.data["holdout"], spec.data["exceptions"])
    if not keep.any():
        raise DataError(
            source=data.source,
            problem=f"none of the {len(test)} test rows is known to be held out for every member "
            f"({', '.join(spec.training['versions'])})",
            fix="Take versions that were trained on one split, or give data of which they held rows out",
        )
    return test.select(keep)


def _track(spec: ModelSpec, data: SplitManifest, code: str, timeouts: TrainTimeouts, log: StepLog) -> str | None:
    """The MLflow run to which the model belongs; the same one for the same members and data."""
    versions = ", ".join(spec.training["versions"])
    weights = [origin["weights_sha256"] for origin in spec.lineage["members"]]
    run = TrackedRun(
        log.home,
        checkpoint_key({"ensemble": weights, "data": data.digest}),
        name=f"{data.name}-ensemble of {versions}",
        parameters={**spec.training, "data_digest": data.data_digest, "split_digest": data.digest},
        tags={"forebay.code_version": code, "forebay.data": data.name, "forebay.members": versions},
        warn=log.warn,
        data=DataInput(data=data, context="evaluation"),  # nothing is trained on it
    )
    return run.finish("FINISHED", timeouts.mlflow_at_end_s)


def _history(models: Sequence[RegisteredModel]) -> list[dict[str, Any]]:
    """The curves of all networks one after the other, each point with the number of its member."""
    curves: list[dict[str, Any]] = []
    first = 1
    for model in models:
        path = model.bundle.folder / HISTORY
        for point in read_json(path) if path.exists() else []:
            curves.append({**point, "member": first + point.get("member", 1) - 1})
        first += len(model.networks)
    return curves
