"""`status --cluster` and `rollback --cluster` whose wire is cut at each of their requests in turn."""

import json

import pytest

from forebay.cluster.rollout.inference_service import ModelDeployment, inference_service, rollout_labels
from support.connection_faults import Wire
from support.fake_kube import FakeCluster
from support.forebay_command import Forebay, ForebayHere

READY = [{"type": "Ready", "status": "True"}]
DONE = {
    "forebay_rollback": {"version": "1", "url": "http://m/v1/models/digits:predict", "error": "", "is_wrong_use": False}
}


def _served(cluster: FakeCluster) -> None:
    service = inference_service(
        ModelDeployment(
            name="digits", namespace="forebay-models", version="3", storage_uri="s3://b/m", weights_sha256="a" * 64,
            data_digest="d", code_version="0.1.0", run_id="r-1",
        )
    )  # fmt: skip
    labels = {"serving.kserve.io/inferenceservice": "digits", **rollout_labels(service)}
    pod = {"name": "digits-3", "namespace": "forebay-models", "labels": labels}
    cluster.objects.append({**service, "status": {"conditions": READY}})
    cluster.objects.append({"kind": "Pod", "metadata": pod, "status": {"conditions": READY}})


@pytest.mark.parametrize("kind", ["reset", "half", "busy", "roleless"])
def test_the_status_is_the_same_whichever_request_is_cut(kind: str, cluster: FakeCluster, forebay: Forebay) -> None:
    _served(cluster)
    wanted = forebay.json("status", "--cluster")
    assert [model["state"] for model in wanted["models"]] == ["answers"]
    count = len(cluster.wire.asked)
    for at in range(count):
        cluster.wire = Wire(kind, at)
        assert forebay.json("status", "--cluster") == wanted, at
        assert cluster.wire.cuts == 1
    assert count > 5


def test_a_server_that_stays_away_is_told_once_and_given_up_after_seconds(
    cluster: FakeCluster, forebay: ForebayHere
) -> None:
    cluster.refusal = (429, "too many requests")
    ended = forebay("status", "--cluster", expect=1)
    assert "answers 429" in ended.stderr
    assert ended.stderr.count("It is asked again for up to 20 s.") == 1
    assert 15 <= forebay.clock.waited_s <= 21


@pytest.mark.parametrize("kind", ["reset", "unanswered", "half", "busy", "roleless"])
def test_a_rollback_runs_one_pod_and_leaves_none_whichever_request_is_cut(
    kind: str, cluster: FakeCluster, forebay: Forebay
) -> None:
    state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    ended = {"name": "forebay-rollback", "image": "x:1", "state": state, "ready": False}
    cluster.pod_status = {"phase": "Succeeded", "containerStatuses": [ended]}
    cluster.pod_log = f"{json.dumps(DONE)}\n"
    forebay("rollback", "digits", "--cluster")
    count = len(cluster.wire.asked)
    for at in range(count):
        cluster.wire, cluster.deleted_pods = Wire(kind, at), []
        said = forebay("rollback", "digits", "--cluster").stdout
        assert said.startswith("digits version 1 is champion again"), at
        assert (cluster.pod_names, len(cluster.deleted_pods)) == ([], 1), at
        assert cluster.wire.cuts == 1
    assert count > 5
