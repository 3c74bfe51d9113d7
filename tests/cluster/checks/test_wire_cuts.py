"""`doctor --cluster` whose wire is cut at the first try of each request, and a cluster without a usable node."""

from dataclasses import replace
from typing import Any

import pytest

from forebay.cluster.checks.cluster_checks import cluster_checks
from forebay.cluster.checks.inspected_cluster import InspectedCluster
from forebay.cluster.checks.probe_pod import PROBE_POD, run_probe_pod
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.kube.client import REQUEST_ANNOTATION, ApiError, connect
from forebay.kube.resource_types import PODS
from forebay.kube.timeouts import RetryTimeouts
from support.connection_faults import Wire
from support.fake_kube import FakeCluster, Object
from support.manual_clock import ManualClock


@pytest.mark.parametrize("kind", ["reset", "half", "busy", "roleless"])
def test_every_check_is_as_it_is_without_cuts(kind: str, fake: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without pauses, because all of them together would exceed the retry budget.
    timeouts = ClusterTimeouts(retry=RetryTimeouts(sleep=lambda seconds: None))
    wanted = list(cluster_checks("", probed=False, timeouts=timeouts))
    fake.wire = Wire(kind, each=True)
    assert list(cluster_checks("", probed=False, timeouts=timeouts)) == wanted
    assert fake.wire.cuts == len(set(fake.wire.asked))
    assert fake.wire.cuts > 25


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"spec": {"unschedulable": True}}, "node (cordoned)"),
        (
            {"spec": {"taints": [{"key": "gpu", "value": "only", "effect": "NoSchedule"}]}},
            "node (taint gpu=only:NoSchedule)",
        ),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting."}]}},
            "node (not ready: Kubelet stopped posting)",
        ),
        (None, "there is none"),
    ],
)
def test_where_no_node_takes_pods_the_probe_says_why_at_once_and_makes_none(
    fake: FakeCluster, changes: dict[str, Any] | None, why: str
) -> None:
    node: Object = fake.find_object("Node", "node")
    if changes is None:
        fake.remove("Node", "node")
    else:
        for key, value in changes.items():
            node[key] |= value
    [check] = run_probe_pod(InspectedCluster(connect()), "")
    assert not check.ok
    assert check.detail == f"it was not started: none of {int(changes is not None)} takes pods: {why}"
    assert "`kubectl uncordon NAME`" in check.fix
    assert not fake.pod_created.is_set()


def test_an_object_of_somebody_elses_is_never_taken_for_the_own_one(fake: FakeCluster) -> None:
    api, pod = connect(retry_budget=ManualClock().retry_budget(20.0)), PROBE_POD.manifest("forebay-doctor-1", "x:1")
    fake.objects.append({**pod, "metadata": {**pod["metadata"], "annotations": {REQUEST_ANNOTATION: "another"}}})
    fake.wire = Wire("busy", 0)
    with pytest.raises(ApiError, match=r'answers 409 .*"forebay-doctor-1" already exists'):
        api.create(PODS, pod)


def test_a_pod_that_no_scheduler_looks_at_is_not_waited_for_to_its_end(fake: FakeCluster) -> None:
    fake.pod_status, fake.pod_node = {"phase": "Pending"}, ""
    pod = replace(PROBE_POD, unschedulable_grace_s=0.0)
    [check] = run_probe_pod(InspectedCluster(connect()), "", pod)
    assert check.detail.startswith("No scheduler has looked at the pod forebay-doctor-")
    assert fake.pod_names == []
