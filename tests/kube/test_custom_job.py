"""A job on a cluster, over the wire: how it ends, what is said on the way, and what is left of it."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.errors import ConfigError
from forebay.kube import own_pod as own_pod_module
from forebay.kube.client import KubeClient
from forebay.kube.custom_job import CustomJob, JobError, JobOutcome, run_job
from forebay.kube.labels import MANAGER, MANAGER_LABEL
from forebay.kube.own_pod import OwnPod, own_pod, step_image
from forebay.kube.pod_problems import WorkloadTerms
from forebay.kube.resource_types import ResourceType
from forebay.kube.timeouts import JobTimeouts
from support.connection_faults import Wire
from support.fake_kube import FakeKubeApi, Object, connected, fake_kube_api
from support.manual_clock import ManualClock

NAME = "fit-1"
OWNER = OwnPod(name="step-pod", uid="u-1", namespace="ml")
RUNNING: tuple[Object, list[Object]] = ({"phase": "running"}, [])
DONE: tuple[Object, list[Object]] = ({"phase": "done"}, [])
FAILED: tuple[Object, list[Object]] = ({"phase": "failed", "reason": "2 of 2 workers ended."}, [])


def outcome(found: Object) -> JobOutcome | None:
    status = found.get("status") or {}
    ends = {"done": JobOutcome(succeeded=True), "failed": JobOutcome(succeeded=False, reason=status.get("reason", ""))}
    return ends.get(status.get("phase", ""))


def fit_job(**changes: Any) -> CustomJob:
    wanted = {"apiVersion": "a.example/v1", "kind": "FitJob", "metadata": {"name": NAME, "namespace": "ml"}, "spec": {}}
    terms = WorkloadTerms(
        noun="worker", crash="A worker failed", size_settings="fit.workers", memory_setting="fit.memory"
    )
    resource = ResourceType("a.example", "v1", "fitjobs")
    made = CustomJob(
        resource=resource,
        manifest=wanted,
        outcome_of=outcome,
        pod_selector="job=fit",
        terms=terms,
        installed_by="fitter",
        chart_value="fitter.enabled",
    )
    return replace(made, **changes)


def pod(name: str, state: Object, conditions: list[Object] | None = None) -> Object:
    status = {"name": "main", "image": "registry.example.com/x:1", "ready": False, "state": state}
    return {"metadata": {"name": name}, "status": {"containerStatuses": [status], "conditions": conditions or []}}


def crashed(name: str, at: str, code: int = 1, why: str = "Error") -> Object:
    return pod(name, {"terminated": {"exitCode": code, "reason": why, "finishedAt": at}})


@pytest.fixture
def fake() -> Iterator[FakeKubeApi]:
    with fake_kube_api(controller=lambda wanted: RUNNING) as running:
        yield running


@pytest.fixture
def api(fake: FakeKubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> KubeClient:
    return connected(fake, tmp_path, monkeypatch, clock)


def run(
    api: KubeClient, tell: Any = lambda text: None, limit_s: float = 20, unseen_s: float = 60.0, **changes: Any
) -> Object:
    timeouts = JobTimeouts(watch_s=0, problem_grace_s=0.0, unseen_s=unseen_s)
    return run_job(api, fit_job(**changes), limit_s, tell, OWNER, timeouts=timeouts)


def test_it_is_applied_as_the_steps_own_followed_and_given_back_as_it_ended(api: KubeClient, fake: FakeKubeApi) -> None:
    fake.next_states = [RUNNING, RUNNING, DONE]
    ended = run(api)
    assert ended["status"] == {"phase": "done"}
    assert ended["metadata"]["labels"] == {MANAGER_LABEL: MANAGER}
    assert ended["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": "step-pod", "uid": "u-1"}
    ]
    assert NAME in fake.custom_objects, "it stays until the step's pod goes"


def test_a_failure_says_the_controllers_reason_and_the_first_crash_with_its_last_lines(
    api: KubeClient, fake: FakeKubeApi
) -> None:
    fake.log = "Traceback:\nValueError: at http://me:secret@host\n"
    crashes = [crashed("w-1", "2026-11-22T10:00:09Z"), crashed("w-0", "2026-11-22T10:00:07Z")]
    fake.next_states = [(RUNNING[0], crashes), FAILED]
    told: list[str] = []
    with pytest.raises(JobError) as caught:
        run(api, told.append)
    assert str(caught.value) == (
        "FitJob ml/fit-1 failed: 2 of 2 workers ended. A worker failed: main of w-0 ended with 1. Its last lines: "
        "Traceback: | ValueError: at http://***@host"
    )
    assert told == [
        "A worker failed: main of w-0 ended with 1. Its last lines: Traceback: | ValueError: at http://***@host"
    ]
    assert fake.custom_objects == {}


def test_a_crash_that_the_controller_mends_ends_nothing(api: KubeClient, fake: FakeKubeApi) -> None:
    fake.next_states = [(RUNNING[0], [crashed("w-0", "2026-11-22T10:00:07Z", 137, "OOMKilled")]), RUNNING, DONE]
    told: list[str] = []
    assert run(api, told.append)["status"] == {"phase": "done"}
    assert told[0].startswith("The worker needs more memory than it may have: main of w-0 ended with 137 (OOMKilled). "
                              "Raise fit.memory.")  # fmt: skip


def test_what_its_container_logs_is_passed_on_once(api: KubeClient, fake: FakeKubeApi) -> None:
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        fake.log = {"one": "one\ntwo", "two": "two\nthree"}.get(line, fake.log)

    fake.log = "one"
    speaks = pod("w-0", {"running": {}})
    speaks["status"]["containerStatuses"][0]["ready"] = True
    fake.next_states = [(RUNNING[0], [speaks])] * 4 + [DONE]
    run_job(api, fit_job(log_container="main"), 20, lambda text: None, OWNER, hear, JobTimeouts(watch_s=0))
    assert heard == ["one", "two", "three"]


def test_a_job_that_no_controller_takes_up_is_said_to_be_that(api: KubeClient, fake: FakeKubeApi) -> None:
    fake.controller = lambda wanted: ({}, [])
    fake.next_states = [({}, []), ({}, []), DONE]
    told: list[str] = []
    run(api, told.append, unseen_s=0.0)
    [said] = told
    assert said.startswith("Nobody has taken up the FitJob ml/fit-1 for 0 s. See that what `forebay up --with fitter` ")
    assert said.endswith("runs, and that it looks at the namespace ml.")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
            "x:1 cannot be pulled (Ima",
        ),
        ({"waiting": {"reason": "CreateContainerConfigError", "message": 'no secret "s"'}}, 'start: no secret "s".'),
    ],
)
def test_what_waiting_does_not_mend_ends_it_in_words(
    api: KubeClient, fake: FakeKubeApi, state: Object, said: str
) -> None:
    fake.next_states = [(RUNNING[0], [pod("w-0", state)])] * 3
    with pytest.raises(JobError) as caught:
        run(api)
    assert str(caught.value).startswith("FitJob ml/fit-1 cannot run: ")
    assert said in str(caught.value)
    assert fake.custom_objects == {}


def test_a_pod_that_the_cluster_refuses_is_named_unless_the_refusal_is_an_old_one(
    api: KubeClient, fake: FakeKubeApi
) -> None:
    refusal = {
        "metadata": {"uid": "e-1", "resourceVersion": "7"}, "reason": "FailedCreate",
        "involvedObject": {"name": f"{NAME}-node-0"}, "message": "exceeded quota: q",
    }  # fmt: skip
    fake.events = [refusal]
    fake.next_states = [RUNNING, DONE]
    run(api)
    fake.custom_objects.clear()

    def wanted_then_refused(wanted: Object) -> tuple[Object, list[Object]]:
        fake.events = [refusal, {**refusal, "metadata": {"uid": "e-2", "resourceVersion": "9"}}]
        return RUNNING

    fake.controller = wanted_then_refused
    with pytest.raises(JobError, match=r"cannot run: The cluster refuses the worker's pod: exceeded quota: q\.$"):
        run(api)


def test_a_pod_that_no_node_takes_is_told_once_and_waited_for(api: KubeClient, fake: FakeKubeApi) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    waiting = {"metadata": {"name": "w-0"}, "status": {"conditions": [unscheduled]}}
    fake.next_states = [(RUNNING[0], [waiting])] * 3 + [DONE]
    told: list[str] = []
    run(api, told.append)
    assert told == ["No node takes the pod w-0: 0/1 nodes are available. Add or free a node, or ask for less with "
                    "fit.workers."]  # fmt: skip


def test_too_long_is_an_error_that_names_what_was_in_the_way(api: KubeClient, fake: FakeKubeApi) -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
    fake.controller = lambda wanted: (
        RUNNING[0],
        [{"metadata": {"name": "w"}, "status": {"conditions": [unscheduled]}}],
    )
    with pytest.raises(JobError, match=r"was not done within 0\.3 s: No node takes the pod w: 0/1 nodes"):
        run(api, limit_s=0.3)
    assert fake.custom_objects == {}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_takes_the_job_with_it(
    api: KubeClient, fake: FakeKubeApi, number: signal.Signals, status: int
) -> None:
    fake.next_states = [(RUNNING[0], [crashed("w-0", "2026-11-22T10:00:07Z")])]
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as ended:
        run(api, lambda text: signal.raise_signal(number))
    assert ended.value.code == status
    assert fake.custom_objects == {}
    assert signal.getsignal(number) is before


def test_what_an_earlier_try_left_goes_first_and_what_is_not_ours_stays(api: KubeClient, fake: FakeKubeApi) -> None:
    left = {"metadata": {"name": NAME, "namespace": "ml", "resourceVersion": "1", "labels": {MANAGER_LABEL: MANAGER}}}
    fake.custom_objects[NAME] = left
    fake.next_states = [DONE]
    run(api)
    assert fake.calls.index(f"DELETE {NAME}") < fake.calls.index(f"PATCH {NAME}")
    theirs = {"metadata": {**left["metadata"], "labels": {}}}
    fake.custom_objects[NAME] = theirs
    with pytest.raises(JobError, match="that Forebay did not make"):
        run(api)
    assert fake.custom_objects[NAME] is theirs


def test_a_job_that_somebody_deletes_is_an_error_in_words(api: KubeClient, fake: FakeKubeApi) -> None:
    def gone(text: str) -> None:
        fake.custom_objects.clear()

    fake.next_states = [(RUNNING[0], [crashed("w-0", "2026-11-22T10:00:07Z")])]
    with pytest.raises(JobError, match="Somebody deleted the FitJob ml/fit-1 meanwhile"):
        run(api, gone)


def test_an_api_server_that_is_away_for_a_moment_ends_no_job(api: KubeClient, fake: FakeKubeApi) -> None:
    def away(text: str) -> None:
        fake.next_refusal = (503, "etcd is away.")

    fake.next_states = [(RUNNING[0], [crashed("w-0", "2026-11-22T10:00:07Z")]), RUNNING, DONE]
    told: list[str] = []
    api.retry_budget.tell = told.append
    run(api, away)
    [said] = told
    assert "answers 503" in said
    assert said.endswith("It is asked again for up to 300 s.")


@pytest.mark.parametrize("kind", ["unanswered", "half", "roleless"])
def test_a_job_ends_well_whichever_request_is_cut(api: KubeClient, fake: FakeKubeApi, kind: str) -> None:
    fake.next_states = [RUNNING, DONE]
    run(api)
    count = len(fake.wire.asked)
    for at in range(count):
        fake.custom_objects.clear()
        fake.wire, fake.next_states = (
            Wire(kind, at),
            [RUNNING, DONE, DONE],
        )  # a look whose answer is cut is one as well
        assert run(api)["status"] == {"phase": "done"}, at
        assert fake.wire.cuts == 1
    assert count > 6


def test_a_cluster_without_the_kind_is_told_what_brings_it(api: KubeClient, fake: FakeKubeApi) -> None:
    fake.lacks_custom_kinds = True
    with pytest.raises(JobError, match=r"no fitjobs of a\.example/v1: `forebay up --with fitter` installs the con"):
        run(api)


def test_a_step_without_the_right_is_told_what_grants_it(api: KubeClient, fake: FakeKubeApi) -> None:
    fake.refusal = (403, "no.")
    with pytest.raises(JobError, match=r"For fitjobs the chart's value is fitter\.enabled=true\."):
        run(api)


def test_the_own_pod_is_what_kubeflow_pipelines_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("ml\n")
    monkeypatch.setenv("KFP_POD_NAME", "step-pod")
    monkeypatch.setenv("KFP_POD_UID", "u-1")
    monkeypatch.setattr(own_pod_module, "NAMESPACE_FILE", tmp_path / "namespace")
    assert own_pod() == OWNER
    monkeypatch.delenv("KFP_POD_UID")
    with pytest.raises(ConfigError, match="no step of Kubeflow Pipelines in a pod"):
        own_pod()


def test_the_own_image_is_that_of_the_steps_container(api: KubeClient, fake: FakeKubeApi) -> None:
    containers = [{"name": "wait", "image": "argoexec"}, {"name": "main", "image": "registry/train@sha256:1"}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake, "answer", lambda *asked: (200, {"spec": {"containers": containers}}))
        assert step_image(OWNER.read(api)) == "registry/train@sha256:1"
