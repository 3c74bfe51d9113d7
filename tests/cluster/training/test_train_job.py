"""The TrainJob: pure data, compared whole; and a training on two machines over the wire, down to the bundle."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from forebay.cluster.executors import TrainJobExecutor
from forebay.cluster.training.train_job import TrainingNodes, outcome, train_job
from forebay.cluster.training.train_on_nodes import NodesLog
from forebay.errors import ConfigError, DataError
from forebay.kube import own_pod as own_pod_module
from forebay.kube.custom_job import JobError, JobOutcome
from forebay.object_store import ObjectFolder
from forebay.settings import TrainConfig
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.state import Home, StepLog, is_sealed
from forebay.state.events import LOG_PREFIX, read_events
from forebay.train import fit
from forebay.train.nodes.transfer import download_folder, upload_folder
from forebay.version import VERSION
from support.fake_kube import FakeKubeApi, Object, fake_kube_api
from support.made_once import home_with
from support.manual_clock import ManualClock
from support.s3_server import S3Store

EXECUTOR = TrainJobExecutor(ManualClock().timeouts)
IMAGE = "registry.example.com/forebay/train@sha256:1"
NAME = "forebay-train-123e4567-e89b-12d3"
WANTED = TrainingNodes(
    name=NAME, namespace="kubeflow", image=IMAGE, arguments=("s3://b/shards", "s3://b/out", "{}"), nodes=2, gpus=4,
    gpu_resource="nvidia.com/gpu", memory="8Gi", limit_s=60, variables={"MLFLOW_RUN_ID": "r"},
)  # fmt: skip


def from_store(kind: str, key: str) -> Object:
    return {"name": key, "valueFrom": {kind: {"name": "forebay-steps", "key": key, "optional": True}}}


def test_the_object_is_exactly_this() -> None:
    made = train_job(WANTED)
    environment = made["spec"]["trainer"].pop("env")
    assert made == {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {
            "name": NAME,
            "namespace": "kubeflow",
            "labels": {
                "app.kubernetes.io/name": "forebay",
                "app.kubernetes.io/component": "train",
                "app.kubernetes.io/version": VERSION,
            },
        },
        "spec": {
            "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": "forebay-train"},
            "activeDeadlineSeconds": 60,
            "trainer": {
                "image": IMAGE,
                "command": ["python3", "-m", "forebay.train.nodes"],
                "args": ["s3://b/shards", "s3://b/out", "{}"],
                "numNodes": 2,
                "numProcPerNode": 4,
                "resourcesPerNode": {
                    "requests": {"cpu": "250m", "memory": "8Gi", "nvidia.com/gpu": "4"},
                    "limits": {"memory": "8Gi", "nvidia.com/gpu": "4"},
                },
            },
        },
    }
    assert environment[:2] == [
        {"name": "FOREBAY_HOME", "value": "/tmp/forebay"},
        {"name": "MLFLOW_RUN_ID", "value": "r"},
    ]
    assert from_store("configMapKeyRef", "FOREBAY_CHECKPOINT_STORE") in environment
    assert from_store("secretKeyRef", "AWS_SECRET_ACCESS_KEY") in environment
    assert not [each for each in environment if each["name"].startswith("PET_")], "Trainer refuses a job that has them"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], None),
        ([{"type": "Suspended", "status": "False", "reason": "Resumed"}], None),
        ([{"type": "Complete", "status": "True", "reason": "AllJobsCompleted"}], (True, "AllJobsCompleted")),
        (
            [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}],
            (False, "DeadlineExceeded: too long"),
        ),
    ],
)
def test_the_verdict_is_read_from_the_conditions(conditions: list[Object], expected: tuple[bool, str] | None) -> None:
    assert outcome({"status": {"conditions": conditions}}) == (expected and JobOutcome(*expected))


class Working:
    """What an applied TrainJob becomes: torchrun works it off on this machine, one process for each of its nodes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None
        self.applied: list[Object] = []

    def plan(self, wanted: Object) -> tuple[Object, list[Object]]:
        self.applied.append(wanted)
        trainer = wanted["spec"]["trainer"]
        values = {each["name"]: each["value"] for each in trainer["env"] if "value" in each}
        more = {"FOREBAY_HOME": str(self.home), "PET_NPROC_PER_NODE": str(trainer["numNodes"]), "PET_STANDALONE": "1"}
        command = [sys.executable, *trainer["command"][1:], *trainer["args"]]
        self.process = subprocess.Popen(command, env={**os.environ, **values, **more})
        return {}, []

    def __bool__(self) -> bool:
        return self.process is not None

    def pop(self, index: int) -> tuple[Object, list[Object]]:
        assert self.process is not None
        ended = self.process.poll()
        kind = "Complete" if ended == 0 else "Failed"
        return {"conditions": [] if ended is None else [{"type": kind, "status": "True", "message": f"{ended}"}]}, []


@pytest.fixture
def working(tmp_path: Path, mlflow_template: Path) -> Iterator[Working]:
    found = Working(home_with(mlflow_template, tmp_path / "machines").root)
    yield found
    if found.process:
        found.process.kill()
        found.process.wait()


@pytest.fixture
def fake(working: Working) -> Iterator[FakeKubeApi]:
    with fake_kube_api(controller=working.plan) as running:
        running.next_states = working  # type: ignore[assignment]
        containers = [{"name": "main", "image": IMAGE}]
        labels = {"pipeline/runid": "123e4567-e89b-12d3-a456-426655440000"}
        running.custom_objects["step-pod"] = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
        yield running


@pytest.fixture
def step_on_a_cluster(
    fake: FakeKubeApi, s3_server: S3Store, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ObjectFolder:
    """The environment of a step's pod; its store."""
    if "forebay" not in {found["Name"] for found in s3_server.client.list_buckets()["Buckets"]}:
        s3_server.client.create_bucket(Bucket="forebay")
    uri = f"s3://forebay/{tmp_path.name}"
    (tmp_path / "config").write_text(json.dumps(fake.kubeconfig()))
    (tmp_path / "namespace").write_text("kubeflow")
    variables = {"KFP_POD_NAME": "step-pod", "KFP_POD_UID": "u-1", CHECKPOINT_STORE: uri, **s3_server.environment}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    monkeypatch.setattr(own_pod_module, "NAMESPACE_FILE", tmp_path / "namespace")
    return ObjectFolder.parse(uri, "a test")


def test_two_machines_train_and_the_step_goes_on_with_their_bundle(
    step_on_a_cluster: ObjectFolder, working: Working, dataset: Path, tmp_path: Path, steplog: StepLog,
    small: Callable[..., TrainConfig],
) -> None:  # fmt: skip
    lenet5 = {"model": "lenet5", "width": "auto", "dropout": 0.0, "precision": "fp32"}
    result = fit(dataset, tmp_path / "two", small(**lenet5, nodes=2), steplog, executor=EXECUTOR)
    (wanted,) = working.applied
    assert wanted["metadata"]["name"] == NAME
    assert wanted["metadata"]["namespace"] == "kubeflow"
    assert wanted["metadata"]["ownerReferences"][0]["name"] == "step-pod"
    assert wanted["spec"]["trainer"]["image"] == IMAGE, "the step's own, however the pipeline was compiled"
    assert result.spec.training["processes"] == 2
    assert result.metrics["epochs"] == 10
    assert is_sealed(tmp_path / "two")
    one = fit(dataset, tmp_path / "one", small(**lenet5), steplog)
    assert one.metrics["validation_accuracy"] == pytest.approx(result.metrics["validation_accuracy"], rel=1e-4)
    assert (
        load_file(tmp_path / "one" / "weights.safetensors").keys()
        == load_file(tmp_path / "two" / "weights.safetensors").keys()
    )
    left = step_on_a_cluster.names()
    assert not [name for name in left if name.startswith("bundles/")]
    assert [name for name in left if name.endswith("/files.json")], "the shards stay for the next training"


def test_settings_that_fit_no_model_fail_the_step_in_words_and_leave_no_job(
    step_on_a_cluster: ObjectFolder, fake: FakeKubeApi, dataset: Path, tmp_path: Path, steplog: StepLog,
    small: Callable[..., TrainConfig],
) -> None:  # fmt: skip
    with pytest.raises(JobError, match=f"TrainJob kubeflow/{NAME} failed: 65"):
        fit(
            dataset,
            tmp_path / "out",
            small(model="lenet5", nodes=2),
            steplog,
            executor=EXECUTOR,
        )  # lenet5 has no width
    assert NAME not in fake.custom_objects


def test_outside_a_cluster_several_machines_are_refused(
    dataset: Path, tmp_path: Path, steplog: StepLog, small: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KFP_POD_NAME", raising=False)
    with pytest.raises(ConfigError, match="no step of Kubeflow Pipelines in a pod"):
        fit(dataset, tmp_path / "out", small(nodes=2), steplog, executor=EXECUTOR)


def test_without_an_executor_several_machines_are_refused_in_words(
    dataset: Path, tmp_path: Path, steplog: StepLog, small: Callable[..., TrainConfig]
) -> None:
    with pytest.raises(ConfigError, match=r"train\.nodes=2 needs Kubeflow Trainer of a cluster"):
        fit(dataset, tmp_path / "out", small(nodes=2), steplog)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "..", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused_before_anything_is_written(
    step_on_a_cluster: ObjectFolder, tmp_path: Path, name: str
) -> None:
    step_on_a_cluster.write("files.json", json.dumps({"files": {name: "0"}, "facts": {}}).encode())
    with pytest.raises(DataError, match="is no file name"):
        download_folder(step_on_a_cluster, tmp_path / "to")
    assert list(tmp_path.rglob("outside")) == []


@pytest.mark.parametrize("damage", [b"torn", None])
def test_a_folder_that_is_not_whole_in_the_store_is_refused(
    step_on_a_cluster: ObjectFolder, tmp_path: Path, damage: bytes | None
) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a").write_bytes(b"12345")
    upload_folder(tmp_path / "from", step_on_a_cluster, {"metrics": {"loss": 0.1}})
    assert download_folder(step_on_a_cluster, tmp_path / "to") == {"metrics": {"loss": 0.1}}
    assert (tmp_path / "to" / "a").read_bytes() == b"12345"
    if damage is None:
        step_on_a_cluster.delete("a")
    else:
        step_on_a_cluster.write("a", damage)
    with pytest.raises(DataError, match="it is not whole"):
        download_folder(step_on_a_cluster, tmp_path / "again")


def test_what_rank_0_logs_is_shown_by_the_step_once(steplog: StepLog) -> None:
    measures = {"epoch": 2, "epochs": 2, "loss": 0.5}
    told = [
        {"kind": "progress", "done": 20, "total": 20, "unit": "steps", "measures": measures},
        {"kind": "epoch", "epoch": 2, "epochs": 2, "measures": {"train_loss": 0.6}},
        {"kind": "warning", "text": "The model over-fits"},
        {"kind": "result", "training": {}},
    ]
    lines = [LOG_PREFIX + json.dumps({"time": "", "step": "train", **event}) for event in told]
    nodes_log = NodesLog(steplog)
    for line in (*lines, "a line of torchrun", *lines):
        nodes_log.read_line(line)
    nodes_log.warn("The model over-fits")
    assert steplog.events is not None
    shown = read_events(steplog.events)[0]
    assert [event["kind"] for event in shown] == ["progress", "epoch", "warning"]
    assert (shown[0]["measures"], shown[1]["measures"]) == (measures, {"train_loss": 0.6})
