"""The look from inside: its pod really runs here, against a real S3 server; and it is deleted, whatever happens."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forebay.backend.check import CheckResult
from forebay.cluster.checks.inspected_cluster import InspectedCluster
from forebay.cluster.checks.probe_pod import PROBE_POD, run_probe_pod
from forebay.container_images import PIPELINE
from forebay.errors import ClusterError
from forebay.kube.client import connect
from forebay.kube.one_shot_pod import OneShotPod, resolve_image
from support.fake_kube import FakeCluster
from support.helm_chart import objects, scenario
from support.loopback_server import QuietHandler, serving
from support.manifest_checks import check_pod_security
from support.s3_server import S3Store

BUCKET, DATA = "mlflow", "forebay"  # of models, and of checkpoints
SECRET = "a-secret-nobody-may-see"
DOCTOR = (sys.executable, "-m", "forebay", "doctor", "--cluster")


class MLflow:
    """As the chart's: anybody may ask for its health, and runs are for those who log in."""

    def __init__(self) -> None:
        self.health = 200
        self.url = ""


@pytest.fixture
def mlflow() -> Iterator[MLflow]:
    server = MLflow()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self.send(server.health, b"OK")
            else:
                known = self.headers.get("Authorization") == "Basic cGlwZWxpbmVzOnMzY3JldA=="  # pipelines:s3cret
                self.send(200 if known else 401, b"{}")

    with serving(Handler) as server.url:
        yield server


@pytest.fixture
def inside(fake: FakeCluster, mlflow: MLflow, s3_server: S3Store, no_aws: None) -> FakeCluster:
    """A cluster whose steps are given a store and an MLflow that answer."""
    for name in {BUCKET, DATA} - {found["Name"] for found in s3_server.client.list_buckets()["Buckets"]}:
        s3_server.client.create_bucket(Bucket=name)
    given = dict(s3_server.environment)
    keys = {name: given.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    fake.set_data("ConfigMap", "forebay-steps", {**given, "FOREBAY_MLFLOW_URI": mlflow.url})
    login = {"FOREBAY_MLFLOW_USERNAME": "pipelines", "FOREBAY_MLFLOW_PASSWORD": "s3cret"}
    fake.set_data("Secret", "forebay-steps", keys | login)
    return fake


def probed(image: str = "", pod: OneShotPod = PROBE_POD) -> list[CheckResult]:
    return run_probe_pod(InspectedCluster(connect()), image, pod)


def failure(name: str) -> CheckResult:
    return failures(name)[0]


def failures(name: str) -> list[CheckResult]:
    found = [check for check in probed() if check.name == name and not check.ok]
    assert found
    return found


def test_store_login_names_and_clock_are_looked_at_from_inside(inside: FakeCluster, mlflow: MLflow) -> None:
    found = probed()
    assert [check for check in found if not check.ok] == []
    assert [check.name for check in found] == ["image", "dns", "s3", "s3", "mlflow", "pod clock"]
    image, _, models, checkpoints, tracking, clock = (check.detail for check in found)
    assert image == f"{PIPELINE} runs on the node node"
    assert f"lists the bucket {BUCKET}, " in models
    assert f"lists the bucket {DATA}, " in checkpoints
    assert tracking.startswith(f"{mlflow.url} answers and knows the login")
    assert clock == "a pod and the API server agree to within 1 s"
    assert inside.pod_names == []
    assert len(inside.deleted_pods) == 1


def test_a_bucket_that_is_not_there_is_named_with_the_value_that_names_it(inside: FakeCluster) -> None:
    inside.set_data("ConfigMap", "forebay-steps", {"FOREBAY_MODEL_STORE": "s3://elsewhere/models"})
    found = failure("s3")
    assert found.detail.endswith("has no bucket elsewhere")
    assert "buckets in the values of the chart" in found.fix


def test_a_wrong_key_is_told_from_an_absent_server_and_never_shown(inside: FakeCluster) -> None:
    inside.set_data("Secret", "forebay-steps", {"AWS_SECRET_ACCESS_KEY": SECRET})
    found = failure("s3")
    assert f"refuses to list the bucket {BUCKET}" in found.detail
    assert "AWS_SECRET_ACCESS_KEY" in found.fix
    assert SECRET not in f"{found} {inside.logs}"


def test_a_store_that_does_not_answer_names_its_address_and_where_that_comes_from(inside: FakeCluster) -> None:
    inside.set_data("ConfigMap", "forebay-steps", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    found = failure("s3")
    assert "http://127.0.0.1:9" in found.detail
    assert "ConfigMap and the Secret forebay-steps" in found.fix
    assert "NetworkPolicy" in found.fix


def test_a_host_that_dns_does_not_know_is_named(inside: FakeCluster) -> None:
    inside.set_data("ConfigMap", "forebay-steps", {"AWS_ENDPOINT_URL": "http://forebay-s3.invalid:9000"})
    found = failure("dns")
    assert found.detail.startswith("forebay-s3.invalid (")
    assert "kubectl get pods --namespace kube-system" in found.fix


def test_what_steps_are_not_given_is_named(inside: FakeCluster) -> None:
    named = ("FOREBAY_MODEL_STORE", "FOREBAY_CHECKPOINT_STORE", "FOREBAY_WORK_STORE", "FOREBAY_MLFLOW_URI")
    for key in named:
        del inside.find_object("ConfigMap", "forebay-steps")["data"][key]
    found = [check for check in probed() if not check.ok]
    assert [check.detail for check in found] == [f"{name} is not set" for name in named]
    assert all("`forebay up` installs them again" in check.fix for check in found)


def test_a_login_that_mlflow_refuses_names_the_job_that_sets_it(inside: FakeCluster) -> None:
    inside.set_data("Secret", "forebay-steps", {"FOREBAY_MLFLOW_PASSWORD": SECRET})
    found = failure("mlflow")
    assert found.detail.endswith("refuses the login of the Secret forebay-steps")
    assert "forebay-mlflow-runner" in found.fix
    assert SECRET not in f"{found} {inside.logs}"


@pytest.mark.parametrize(
    ("health", "fix"), [(403, "mlflow.allowedHosts"), (503, "kubectl logs deployment/forebay-mlf")]
)
def test_an_mlflow_that_refuses_or_is_broken_is_told_apart(
    inside: FakeCluster, mlflow: MLflow, health: int, fix: str
) -> None:
    mlflow.health = health
    found = failure("mlflow")
    assert found.detail.endswith(f"answers {health}")
    assert fix in found.fix


def test_a_node_whose_clock_is_minutes_away_fails(inside: FakeCluster) -> None:
    inside.clock_ahead_s = -600.0
    found = failure("pod clock")
    assert "a pod shows" in found.detail
    assert "s ahead of the API server" in found.detail
    assert "timedatectl set-ntp true" in found.fix


def test_an_image_of_other_code_is_said_and_what_makes_a_new_one(inside: FakeCluster, tmp_path: Path) -> None:
    folder = tmp_path / "forebay" / "cluster" / "checks"  # a package without the module, found first
    folder.mkdir(parents=True)
    for package in (folder, *folder.parents[:2]):
        (package / "__init__.py").touch()
    found = failure("image")
    assert "holds other code than this command" in found.detail
    assert "No module named" in found.detail
    assert "`make images`" in found.fix
    assert inside.pod_names == []


def test_an_image_that_cannot_be_pulled_is_named_with_the_registrys_words(fake: FakeCluster) -> None:
    words = 'failed to pull and unpack image "docker.io/forebay/pipeline:none": not found'
    waiting = {"reason": "ErrImagePull", "message": words}
    fake.pod_status = _pending("forebay/pipeline:none", waiting)
    [found] = probed("forebay/pipeline:none")
    assert not found.ok
    assert found.detail == f"The container image forebay/pipeline:none cannot be pulled (ErrImagePull): {words}"
    assert "pull secret on the service account kubeflow/pipeline-runner" in found.fix
    assert fake.pod_names == []


def test_a_pod_that_no_node_takes_is_not_waited_for_long(fake: FakeCluster) -> None:
    said = "0/1 nodes are available: 1 Insufficient cpu."
    scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
    fake.pod_status = {"phase": "Pending", "conditions": [scheduled]}
    [found] = probed(pod=replace(PROBE_POD, unschedulable_grace_s=0.0))
    assert "0/1 nodes are available: 1 Insufficient cpu" in found.detail
    assert "`kubectl describe nodes`" in found.fix
    assert fake.pod_names == []


def test_a_pod_that_admission_refuses_meets_what_steps_would(fake: FakeCluster) -> None:
    fake.pod_refusal = 'error looking up service account kubeflow/pipeline-runner: serviceaccount "x" not found'
    found = failure("probe")
    assert "error looking up service account kubeflow/pipeline-runner" in found.detail
    assert found.fix.startswith("Steps of a run meet the same rule")


def test_a_person_who_may_make_no_pods_is_told_how_to_leave_this_out(fake: FakeCluster) -> None:
    fake.rights.denied = {("kubeflow", "pods", "create")}
    found = failure("probe")
    assert 'User "jane@example.com" cannot create resource "pods"' in found.detail
    assert "--no-probe" in found.fix


def test_a_pod_that_may_not_be_deleted_is_named_with_the_command(inside: FakeCluster) -> None:
    inside.rights.denied = {("kubeflow", "pods", "delete")}
    found = failure("probe")
    [left] = inside.pod_names
    assert f"`kubectl delete pod {left} --namespace kubeflow`" in found.fix


def test_what_a_killed_doctor_left_is_removed_and_a_running_probe_is_not(inside: FakeCluster) -> None:
    long_ago, now = "2026-01-01T00:00:00Z", datetime.now(UTC).isoformat()
    for name, phase, made in (("old", "Failed", long_ago), ("busy", "Running", long_ago), ("just-over", "Failed", now)):
        pod = PROBE_POD.manifest(f"forebay-doctor-{name}", PIPELINE)
        pod["metadata"]["creationTimestamp"] = made
        inside.objects.append({**pod, "status": {"phase": phase}})
    probed()
    assert inside.pod_names == ["forebay-doctor-busy", "forebay-doctor-just-over"]
    assert "forebay-doctor-old" in inside.deleted_pods


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_doctor_deletes_its_pod(fake: FakeCluster, number: signal.Signals) -> None:
    fake.pod_status = {"phase": "Pending"}
    with subprocess.Popen(DOCTOR, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert fake.pod_created.wait(60)
        process.send_signal(number)
        _, said = process.communicate(timeout=600)
    assert process.returncode == 128 + number
    assert "is deleted" in said
    assert fake.pod_names == []


def test_the_pod_is_one_that_restricted_pod_security_takes_and_holds_no_token() -> None:
    made = PROBE_POD.manifest("forebay-doctor-1", PIPELINE)
    assert check_pod_security([made]) == []
    assert made["spec"]["automountServiceAccountToken"] is False
    names = [each["name"] for each in made["spec"]["volumes"]]
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)  # a real server looks
    sources = [each.get("valueFrom", {}) for each in made["spec"]["containers"][0]["env"]]
    assert all(reference["optional"] for source in sources for reference in source.values())  # as of steps


def test_the_pods_account_is_the_one_that_the_chart_gives_rights() -> None:
    [binding] = [each for each in objects(scenario("kind")) if each["kind"] == "RoleBinding"]
    assert [subject["name"] for subject in binding["subjects"]] == [
        PROBE_POD.manifest("x", PIPELINE)["spec"]["serviceAccountName"]
    ]


def test_the_image_comes_from_where_mlflows_came(fake: FakeCluster) -> None:
    api = connect()
    [container] = fake.find_object("Deployment", "forebay-mlflow")["spec"]["template"]["spec"]["containers"]
    container["image"] = f"registry.example.com:5000/team/forebay/mlflow:0.1.0@sha256:{'0' * 64}"
    assert resolve_image(api, "") == f"registry.example.com:5000/team/{PIPELINE}"
    assert resolve_image(api, "mine:1") == "mine:1"
    container["image"] = "registry.example.com/other/mlflow:3"
    with pytest.raises(ClusterError, match="with an image of ours tells where ours are"):
        resolve_image(api, "")
    fake.rights.denied = {("forebay", "deployments", "get")}
    with pytest.raises(ClusterError, match="You may not look at the deployment forebay/forebay-mlflow"):
        resolve_image(api, "")
    assert "--image" in failure("probe").detail
    assert fake.pod_names == []


def test_the_command_ends_with_1_and_one_object_where_something_failed(inside: FakeCluster) -> None:
    well = subprocess.run([*DOCTOR, "--json"], capture_output=True, text=True)
    assert well.returncode == 0, well.stdout + well.stderr
    assert json.loads(well.stdout)["ok"] is True
    inside.remove("ServingRuntime", "forebay")
    ill = subprocess.run([*DOCTOR, "--no-probe"], capture_output=True, text=True)
    assert ill.returncode == 1
    assert "FAIL  runtime         there is no ServingRuntime forebay in forebay-models" in ill.stdout
    assert "s3" not in [line.split()[1] for line in ill.stdout.splitlines() if line.startswith(("ok", "FAIL"))]


def test_an_interrupted_doctor_that_cannot_delete_its_pod_says_how_to(fake: FakeCluster) -> None:
    fake.pod_status = {"phase": "Pending"}
    fake.rights.denied = {("kubeflow", "pods", "delete")}
    with subprocess.Popen(DOCTOR, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert fake.pod_created.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=600)
    assert process.returncode == 1
    [left] = fake.pod_names
    assert f"`kubectl delete pod {left} --namespace kubeflow`" in said


@pytest.mark.parametrize("option", [("--context", "x"), ("--no-probe",), ("--image", "x")])
def test_an_option_of_the_cluster_alone_is_wrong_use(option: tuple[str, ...]) -> None:
    answer = subprocess.run([sys.executable, "-m", "forebay", "doctor", *option], capture_output=True, text=True)
    assert answer.returncode == 2
    assert "goes with --cluster" in answer.stderr


def _pending(image: str, waiting: dict[str, str]) -> dict[str, object]:
    container = {
        "name": PROBE_POD.app_name,
        "image": image,
        "state": {"waiting": waiting},
        "lastState": {},
        "ready": False,
    }
    return {"phase": "Pending", "containerStatuses": [container]}
