"""Train on several machines: upload the shards, run the TrainJob, and download the bundle."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from forebay.cluster.timeouts import ClusterTimeouts
from forebay.cluster.training.train_job import TrainingNodes, custom_job
from forebay.contracts.bundles.spec import ModelSpec, read_spec
from forebay.contracts.manifest import MANIFEST, SplitManifest
from forebay.contracts.overfitting import find_overfitting, first_network, read_curves
from forebay.errors import ConfigError, MachineError
from forebay.object_store import ObjectFolder
from forebay.settings import TrainConfig
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.settings.environment import FRESH_VARIABLE, MLFLOW_RUN_ID
from forebay.settings.step_limits import TRAIN_JOB_LIMIT_S
from forebay.state import StepLog, empty_folder, is_sealed
from forebay.state.events import parse_log_line
from forebay.state.file_digest import file_sha256
from forebay.train.nodes.transfer import delete_folder, download_folder, is_complete, upload_folder
from forebay.train.plan.training_plan import check_learnable
from forebay.train.result import TrainResult
from forebay.version import code_version

PASSED_ON = (MLFLOW_RUN_ID, FRESH_VARIABLE)


def fit_on_nodes(dataset: Path, out: Path, config: TrainConfig, log: StepLog, timeouts: ClusterTimeouts) -> TrainResult:
    """As `fit`, on several machines of the cluster that this step runs in.

    Raises:
        ConfigError: this step does not run on a cluster, or there is no store that all machines reach.
        JobError: the machines could not train; the message says why.
        MachineError: the store does not answer.
        DataError: nothing can be learned from the rows.
    """
    from forebay.kube.client import connect
    from forebay.kube.custom_job import run_job
    from forebay.kube.own_pod import own_pod, pipeline_run_id, step_image
    from forebay.kube.retries import BACKGROUND_RETRY_S

    data = SplitManifest.read(dataset)
    check_learnable(dataset, data)
    pod = own_pod()
    store = _store()
    api = connect(retry_budget=timeouts.retry_budget(BACKGROUND_RETRY_S, log.warn), timeouts=timeouts.api)
    step_pod = pod.read(api)
    name = f"forebay-train-{pipeline_run_id(step_pod)[:18].rstrip('-')}"
    shards, bundle = store.subfolder("shards").subfolder(_identity(dataset)), store.subfolder("bundles").subfolder(name)
    try:
        if not is_complete(shards):
            upload_folder(dataset, shards)
        delete_folder(bundle)  # an earlier try may have left it
    except OSError as error:
        raise _store_error(error) from error
    settings = replace(config, code_version=config.code_version or code_version())
    wanted = TrainingNodes(
        name=name, namespace=pod.namespace, image=step_image(step_pod),
        arguments=(shards.uri, bundle.uri, json.dumps(asdict(settings))),
        nodes=config.nodes, gpus=config.node_gpus, gpu_resource=config.node_gpu_resource, memory=config.node_memory,
        limit_s=TRAIN_JOB_LIMIT_S, variables={key: os.environ[key] for key in PASSED_ON if os.environ.get(key)},
    )  # fmt: skip
    nodes_log = NodesLog(log)
    run_job(api, custom_job(wanted), TRAIN_JOB_LIMIT_S, log.warn, pod, nodes_log.read_line, timeouts.job)
    return _downloaded(bundle, out, nodes_log)


@dataclass
class NodesLog:
    """Passes on what rank 0 logs: how far the training is, the ends of epochs, and warnings, each once."""

    log: StepLog
    told: set[str] = field(default_factory=set)

    def read_line(self, line: str) -> None:
        """One line of a machine's log; lines may come again."""
        event = parse_log_line(line)
        if event is None or line in self.told:
            return
        self.told.add(line)
        if event["kind"] == "progress":
            self.log.progress(event["done"], event["total"], event["unit"], lambda: event.get("measures", {}))
        elif event["kind"] == "epoch":
            is_last = event["epoch"] == event["epochs"]
            self.log.epoch(event["epoch"], event["epochs"], event["measures"], is_last=is_last)
        elif event["kind"] == "warning":
            self.warn(event["text"])

    def warn(self, text: str) -> None:
        """A warning, unless rank 0 or this step told it before."""
        if text not in self.told:
            self.told.add(text)
            self.log.warn(text)


def _store() -> ObjectFolder:
    uri = os.environ.get(CHECKPOINT_STORE)
    if not uri:
        raise ConfigError(
            f"train.nodes is above 1, and {CHECKPOINT_STORE} names no store that all machines reach "
            "(s3://BUCKET/PREFIX). The chart sets it where pipelines.enabled is true."
        )
    return ObjectFolder.parse(uri, CHECKPOINT_STORE)


def _identity(dataset: Path) -> str:
    """Names the shards by their content: the manifest holds the digest of everything else."""
    return file_sha256(dataset / MANIFEST)[:32]


def _downloaded(bundle: ObjectFolder, out: Path, nodes_log: NodesLog) -> TrainResult:
    """Download the bundle that rank 0 uploaded into this step's folder."""
    empty_folder(out)
    try:
        facts = download_folder(bundle, out)
        delete_folder(bundle)
    except OSError as error:
        raise _store_error(error) from error
    if not is_sealed(out):
        raise MachineError(f"The bundle from {bundle.uri} is not whole in {out}. Start the run again.")
    spec = read_spec(out)
    run_id = spec.lineage.get("mlflow_run_id")
    nodes_log.log.result(training={"settings": spec.training, "metrics": facts["metrics"], "mlflow_run_id": run_id})
    _tell_overfitting(out, spec, nodes_log)
    return TrainResult(spec=spec, metrics=facts["metrics"])


def _tell_overfitting(bundle: Path, spec: ModelSpec, nodes_log: NodesLog) -> None:
    """Say it here too: rank 0 says it at its very end, when its log may not be read any more."""
    curves = first_network(read_curves(bundle))
    found = find_overfitting(curves, spec.training, int(spec.data["splits"]["validation"]))
    if found:
        nodes_log.warn(found.text)
        nodes_log.log.result(overfitting=found.text)


def _store_error(error: OSError) -> MachineError:
    return MachineError(f"The store of {CHECKPOINT_STORE} does not take or give what machines exchange: {error}.")
