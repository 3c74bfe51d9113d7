"""What keeps a version from being served, read from what a real API server 1.36 and KServe said of real failures."""

import copy
import json
from typing import Any

import pytest

from forebay.cluster.rollout.inference_service import VERSION_LABEL
from forebay.cluster.rollout.readiness import find_problem, is_serving
from support.paths import RECORDED


def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDED / "kserve" / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize(
    ("name", "version", "kind", "said"),
    [
        ("image", "20706", "Image", "The container image registry.example.com/forebay/nope:1 cannot be pulled (Err"),
        (
            "crash",
            "20774",
            "Crash",
            "The server does not stay up: kserve-container of probe-predictor-6cd494df56-kcgm4",
        ),
        ("storage", "20812", "Crash", "The model could not be fetched from its storageUri: storage-initializer of "),
        ("quota", "20863", "Refused", "is forbidden: exceeded quota: forebay-quota, requested: requests.cpu=9"),
        ("account", "20946", "Refused", 'error looking up service account forebay-models/nope: serviceaccount "nope"'),
    ],
)
def test_a_failure_is_named_with_its_cause(name: str, version: str, kind: str, said: str) -> None:
    now = recorded(name)
    found = find_problem(now["service"], now["pods"], now["events"], {VERSION_LABEL: version})
    assert found is not None
    assert (found.kind, found.is_permanent) == (kind, True)
    assert said in found.text
    assert not is_serving(now["service"], now["pods"], {VERSION_LABEL: version})


def test_a_crash_names_the_container_whose_log_says_why() -> None:
    now = recorded("crash")
    found = find_problem(now["service"], now["pods"], [], {VERSION_LABEL: "20774"})
    assert found is not None
    assert (found.pod, found.container, found.is_restarted) == (
        "probe-predictor-6cd494df56-kcgm4", "kserve-container", True
    )  # fmt: skip


def test_trouble_of_another_version_is_none_of_this_one() -> None:
    now = recorded("crash")
    assert find_problem(now["service"], now["pods"], [], {VERSION_LABEL: "1"}) is None


def test_a_pod_that_no_node_takes_may_find_one_later() -> None:
    now = recorded("crash")
    (pod,) = now["pods"]
    words = "0/1 nodes are available: 1 Insufficient cpu."
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    pod["status"] = {"phase": "Pending", "conditions": [unscheduled]}
    found = find_problem(now["service"], [pod], [], {VERSION_LABEL: "20774"})
    assert found is not None
    assert not found.is_permanent
    assert "No node takes the pod probe-predictor-6cd494df56-kcgm4: 0/1 nodes are available: 1 Ins" in found.text


def test_ready_is_not_believed_while_an_old_pod_still_answers() -> None:
    """Recorded in a rolling update: the service says Ready, by the pod of the version before."""
    now = recorded("rolling")
    conditions = {each["type"]: each["status"] for each in now["service"]["status"]["conditions"]}
    assert conditions["Ready"] == "True"
    old, new = "20994", "20706"
    assert not is_serving(now["service"], now["pods"], {VERSION_LABEL: new})
    after = copy.deepcopy(now)
    after["pods"] = [pod for pod in now["pods"] if pod["metadata"]["labels"]["forebay.dev/model-version"] == old]
    assert is_serving(after["service"], after["pods"], {VERSION_LABEL: old})
    after["service"]["status"]["modelStatus"]["transitionStatus"] = "InvalidSpec"
    assert not is_serving(after["service"], after["pods"], {VERSION_LABEL: old}), "KServe refused what was applied last"


def test_a_failure_that_is_over_stays_on_record_and_is_no_problem() -> None:
    now = recorded("rolling")
    status = now["service"]["status"]["modelStatus"]
    assert status["lastFailureInfo"]["reason"] == "RuntimeNotRecognized"
    assert find_problem(now["service"], [], [], {VERSION_LABEL: "20994"}) is None
    status["transitionStatus"] = "InvalidSpec"
    found = find_problem(now["service"], [], [], {VERSION_LABEL: "20994"})
    assert found is not None
    assert "KServe cannot use the object (RuntimeNotRecognized): Waiting for runtime" in found.text


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_was_evicted_keeps_nothing_from_being_served(phase: str) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    good = {"metadata": {"name": "p-2", "labels": {VERSION_LABEL: "2"}}, "status": ready}
    gone = {
        "metadata": {"name": "p-1", "labels": {VERSION_LABEL: "1"}},
        "status": {"phase": phase, "reason": "Evicted"},
    }
    service = {"metadata": {"name": "p"}, "status": ready}
    assert is_serving(service, [good, gone], {VERSION_LABEL: "2"})
    same = {**gone, "metadata": {**gone["metadata"], "labels": {VERSION_LABEL: "2"}}}
    assert is_serving(service, [good, same], {VERSION_LABEL: "2"})
    crashed = {"name": "c", "image": "x", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    dead = {**same, "status": {**same["status"], "containerStatuses": [crashed]}}
    assert find_problem(service, [good, dead], [], {VERSION_LABEL: "2"}) is None
