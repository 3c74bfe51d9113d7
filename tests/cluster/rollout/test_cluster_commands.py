"""`status --cluster` and `rollback --cluster` at the command line, against an API server on the wire."""

import copy
import json
import signal
from pathlib import Path

import pytest

from forebay.cluster.rollout.inference_service import VERSION_LABEL, ModelDeployment, inference_service, rollout_labels
from forebay.cluster.runs.workflow_nodes import steps_of
from forebay.state.events import LOG_PREFIX
from support.fake_kube import FakeCluster, Object
from support.fake_pipelines_api import recorded
from support.forebay_command import Forebay
from support.paths import RECORDED

CRASH = json.loads((RECORDED / "kserve" / "crash.json").read_text())
READY = [{"type": "Ready", "status": "True"}]
SERVICE_LABEL = "serving.kserve.io/inferenceservice"


def serve(cluster: FakeCluster, name: str, version: str, status: Object, *pods: Object) -> None:
    """An InferenceService and its pods; a pod is its version and its status."""
    service = inference_service(
        ModelDeployment(
            name=name, namespace="forebay-models", version=version, storage_uri="s3://b/m", weights_sha256="a" * 64,
            data_digest="d", code_version="0.1.0", run_id="r-1",
        )
    )  # fmt: skip
    cluster.objects.append({**service, "status": status})
    for pod in pods:
        labels = {SERVICE_LABEL: name, **rollout_labels(service), VERSION_LABEL: pod["version"]}
        metadata = {"name": f"{name}-{pod['version']}", "namespace": "forebay-models", "labels": labels}
        cluster.objects.append({"kind": "Pod", "metadata": metadata, "status": pod["status"]})


def test_a_model_that_answers_is_shown_with_its_origin_beside_the_newest_run(
    cluster: FakeCluster, forebay: Forebay
) -> None:
    status = {"conditions": READY, "address": {"url": "http://digits-predictor.forebay-models.svc"}}
    serve(cluster, "digits", "3", status, {"version": "3", "status": {"conditions": READY}})
    said = forebay("status", "--cluster").stdout
    assert "digits version 3: answers (1 of 1 pods ready)" in said
    assert "url   http://digits-predictor.forebay-models.svc/v1/models/digits:predict" in said
    assert "from  run r-1, code 0.1.0" in said
    run = recorded("done")["run"]
    assert f"newest run  {run['display_name']}  succeeded  {run['created_at']}" in said
    assert f"`forebay submit --follow {run['run_id']}` shows it" in said


def test_a_training_that_runs_there_shows_loss_and_time_left(cluster: FakeCluster, forebay: Forebay) -> None:
    assert cluster.pipelines is not None
    run = recorded("done")
    train = steps_of(run["workflow"])["train"].attempts[0].pod
    for node in run["workflow"]["status"]["nodes"].values():
        node["phase"] = "Running" if ".train(0).executor(0)" in node["name"] else node["phase"]
    told = [
        {"kind": "started"},
        {"kind": "epoch", "epoch": 1, "epochs": 4, "measures": {"train_loss": 0.9, "validation_loss": 0.8}},
        {"kind": "progress", "done": 30, "total": 88, "unit": "steps", "measures": {"loss": 0.71, "seconds_left": 61}},
    ]
    log = "".join(LOG_PREFIX + json.dumps({"time": "", "step": "train", **event}) + "\n" for event in told)
    cluster.pipelines.shows = [{**run, "run": {**run["run"], "state": "RUNNING"}}]
    cluster.logs[train] = f"kfp says\n{log}"
    said = forebay("status", "--cluster").stdout
    assert "train  30/88 steps, loss 0.710, 1:01 left\n" in said
    assert "epoch 1/4: train loss 0.900; validation loss 0.800\n" in said
    cluster.logs[train] = ""
    assert forebay.json("status", "--cluster")["run"]["progress"] is None


def test_a_server_that_crashes_says_so_and_one_that_an_older_version_stands_in_for(
    cluster: FakeCluster, forebay: Forebay
) -> None:
    (pod,) = CRASH["pods"]
    serve(cluster, "broken", "1", copy.deepcopy(CRASH["service"]["status"]), {"version": "1", "status": pod["status"]})
    old, new = {"version": "1", "status": {"conditions": READY}}, {"version": "2", "status": {"phase": "Pending"}}
    serve(cluster, "digits", "2", {"conditions": READY}, old, new)
    found = forebay.json("status", "--cluster")
    broken, digits = found["models"]
    assert (broken["state"], broken["ready_pods"]) == ("does not answer", 0)
    assert "The server does not stay up" in broken["reason"]
    assert (digits["state"], digits["ready_pods"], digits["version"]) == (
        "partly, or an earlier version, answers",
        0,
        "2",
    )
    assert found["run"]["state"] == "succeeded"
    assert found["run_problem"] is None


def test_a_person_who_may_not_look_at_pods_sees_what_kserve_says(cluster: FakeCluster, forebay: Forebay) -> None:
    serve(cluster, "digits", "3", {"conditions": READY})
    cluster.rights.denied = {("forebay-models", "pods", "list"), ("forebay-models", "events", "list")}
    assert "digits version 3: answers (? of 1 pods ready)" in forebay("status", "--cluster").stdout


def test_models_are_shown_where_pipelines_do_not_answer(cluster: FakeCluster, forebay: Forebay) -> None:
    cluster.pipelines = None
    found = forebay.json("status", "--cluster")
    assert found["models"] == []
    assert found["run"] is None
    assert "404" in found["run_problem"]
    said = forebay("status", "--cluster").stdout
    assert "Kubeflow Pipelines does not tell its newest run" in said
    assert "No model is served in the namespace forebay-models." in said


def test_a_cluster_without_kserve_and_one_that_is_not_there_are_named(
    cluster: FakeCluster, forebay: Forebay, tmp_path: Path
) -> None:
    del cluster.resources["/apis/serving.kserve.io/v1beta1"]
    assert "Does this cluster have what `forebay up` installs" in forebay("status", "--cluster", expect=1).stderr
    answer = forebay("status", "--cluster", "--context", "nowhere", expect=2)
    assert "There is no cluster to talk to" in answer.stderr
    assert "nowhere" in answer.stderr


@pytest.mark.parametrize(
    "words", [("status", "--namespace", "x"), ("rollback", "--image", "x"), ("rollback", "--context", "x")]
)
def test_options_of_a_cluster_without_one_are_wrong_use(forebay: Forebay, words: tuple[str, ...]) -> None:
    assert f"{words[1]} goes with --cluster" in forebay(*words, expect=2).stderr


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("rollback", "--cluster"), "`forebay status --cluster` lists"),
        (("rollback", "digits", "--cluster", "--namespace", "Not_One"), "deploy.namespace"),
        (("rollback", "a/b", "--cluster"), "'a/b' cannot name an InferenceService"),
    ],
)
def test_what_a_rollback_cannot_be_about_is_said_before_anything_is_done(
    cluster: FakeCluster, forebay: Forebay, words: tuple[str, ...], fix: str
) -> None:
    assert fix in forebay(*words, expect=2).stderr
    assert not cluster.pod_created.is_set()


def _scripted(cluster: FakeCluster, log: str, code: int = 1) -> None:
    """Pods end at once, and have said this."""
    state = {"terminated": {"exitCode": code, "reason": "Error"}}
    ended = {"name": "forebay-rollback", "image": "x:1", "state": state, "ready": False}
    cluster.pod_status, cluster.pod_log = {"phase": "Failed", "containerStatuses": [ended]}, log


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("/usr/bin/python3: No module named forebay.cluster.rollout.rollback", "holds other code than this command"),
        ("Traceback\nmlflow.exceptions.MlflowException: refused", "The rollback ended: forebay-rollback of"),
        (
            'x\n{"forebay_rollback": {"version": "", "url": "", "error": "did not come up.", "is_wrong_use": false}}',
            "Error: did not come up.",
        ),
    ],
)
def test_a_rollback_that_does_not_work_says_why_and_leaves_no_pod(
    cluster: FakeCluster, forebay: Forebay, log: str, said: str
) -> None:
    _scripted(cluster, log)
    assert said in forebay("rollback", "digits", "--cluster", expect=1).stderr
    assert cluster.pod_names == []


def test_a_person_who_may_make_no_pods_is_sent_to_the_doctor(cluster: FakeCluster, forebay: Forebay) -> None:
    cluster.rights.denied = {("kubeflow", "pods", "create")}
    said = forebay("rollback", "digits", "--cluster", expect=1).stderr
    assert 'User "jane@example.com" cannot create resource "pods"' in said
    assert "`forebay doctor --cluster` names the rights that you lack" in said


def test_a_pod_that_admission_refuses_is_no_matter_of_rights(cluster: FakeCluster, forebay: Forebay) -> None:
    cluster.pod_refusal = "exceeded quota: small, requested: requests.memory=128Mi"
    said = forebay("rollback", "digits", "--cluster", expect=1).stderr
    assert "exceeded quota: small" in said
    assert "Steps of a run meet the same rule." in said


def test_a_rollback_whose_pod_does_not_start_says_what_hinders_it(cluster: FakeCluster, forebay: Forebay) -> None:
    waiting = {"reason": "ErrImagePull", "message": "not found"}
    container = {"name": "forebay-rollback", "image": "x:1", "state": {"waiting": waiting}, "ready": False}
    cluster.pod_status = {"phase": "Pending", "containerStatuses": [container]}
    said = forebay("rollback", "digits", "--cluster", "--image", "x:1", expect=1).stderr
    assert "The container image x:1 cannot be pulled (ErrImagePull): not found." in said
    assert cluster.pod_names == []


def test_ctrl_c_deletes_the_pod_and_says_what_it_does(cluster: FakeCluster, forebay: Forebay) -> None:
    cluster.pod_status = {"phase": "Pending"}
    with forebay.start("rollback", "digits", "--cluster") as process:
        assert cluster.pod_created.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "the pod is told to end, and then serves again what was served before" in said
    assert cluster.pod_names == []
