"""`forebay doctor --cluster` against an API server on the wire: each planted fault is found, with what mends it."""

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay.backend.check import CheckResult
from forebay.cluster.checks.cluster_checks import cluster_checks
from forebay.cluster.checks.step_environment import CONFIG_KEYS, OPTIONAL_KEYS
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.kube.timeouts import ApiTimeouts
from forebay.object_store.variables import ENDPOINT
from forebay.settings.cluster_environment import MLFLOW_LOGIN_KEYS, SIGNING_KEY, STEP_ENVIRONMENT, STORE_LOGIN_KEYS
from support.fake_kube import FakeCluster, Object
from support.helm_chart import CHART, objects, scenario
from support.paths import ROOT


def looked(context: str = "") -> list[CheckResult]:
    return list(cluster_checks(context, probed=False))


def failures() -> list[CheckResult]:
    return [check for check in looked() if not check.ok]


def failure() -> CheckResult:
    found = failures()
    assert len(found) == 1, found
    return found[0]


def details(name: str) -> str:
    return "\n".join(check.detail for check in looked() if check.name == name and check.ok)


def test_a_whole_platform_passes_and_every_line_says_what_was_found(fake: FakeCluster) -> None:
    found = looked()
    assert [check for check in found if not check.ok] == []
    said = {check.name: check.detail for check in found}
    assert said["api"] == f"{fake.url} answers"
    assert said["kubernetes"] == "v1.36.2, 1.30 or newer is needed"
    assert said["login"] == "the API server knows you as jane@example.com"
    assert said["nodes"] == "1 of 1 take pods"
    assert said["gpus"] == "no node offers one; train.gpus=0 and deploy.gpus=0 only"
    assert said["storage"] == "default class standard, of standard"
    assert said["in forebay"] == "forebay-mlflow, forebay-s3, forebay-postgres available"
    assert said["your rights"].startswith("jane@example.com may read, forward ports and run the probe in forebay,")
    assert said["spark"].endswith("is not installed; `forebay up --with spark-operator` adds it")


def test_without_the_probe_nothing_is_written(fake: FakeCluster) -> None:
    before = len(fake.objects)
    looked()
    assert (len(fake.objects), fake.deleted_pods) == (before, [])


def test_no_value_of_a_secret_or_a_config_map_is_shown(fake: FakeCluster) -> None:
    fake.set_data("Secret", "forebay-steps", {"AWS_SECRET_ACCESS_KEY": "hidden-value"})
    fake.set_data("ConfigMap", "forebay-steps", {"AWS_REGION": "hidden-place"})
    assert "hidden" not in str(looked())
    assert "AWS_SECRET_ACCESS_KEY" in details("keys")


def test_a_kubeconfig_that_is_not_there_is_named_with_its_variable(fake: FakeCluster, tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").unlink()
    found = failure()
    assert found.name == "kubeconfig"
    assert "Point KUBECONFIG at the file" in found.detail


def test_a_context_that_the_kubeconfig_does_not_hold_is_named(fake: FakeCluster) -> None:
    [found] = looked("production")
    assert not found.ok
    assert "production" in found.detail
    assert "kubectl config get-contexts" in found.detail


def test_a_host_on_which_nothing_listens_is_one_failure(fake: FakeCluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    _point_at(tmp_path, f"https://127.0.0.1:{port}")
    found = failure()
    assert found.name == "api"
    assert found.detail.startswith(f"https://127.0.0.1:{port} does not answer: Failed to establish a new connection")
    assert "Is the cluster up, and is this its address?" in found.detail


def test_a_server_that_takes_a_call_and_never_answers_is_given_up(fake: FakeCluster, tmp_path: Path) -> None:
    brief = ClusterTimeouts(api=ApiTimeouts(read_s=0.2))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _point_at(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        (found,) = [check for check in cluster_checks("", probed=False, timeouts=brief) if not check.ok]
    assert "does not answer: Read timed out. (read timeout=0.2)" in found.detail


def test_a_name_that_is_unknown_is_one_failure(fake: FakeCluster, tmp_path: Path) -> None:
    _point_at(tmp_path, "https://no-such-host.invalid:6443")
    assert "does not answer: Failed to resolve 'no-such-host.invalid'" in failure().detail


def test_a_cluster_with_another_certificate_is_one_failure(fake: FakeCluster, tmp_path: Path) -> None:
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    assert "certificate verify failed" in failure().detail


def test_an_address_that_is_no_api_server_is_told_from_one(fake: FakeCluster, tmp_path: Path) -> None:
    fake.refusal = (200, "a login page")
    assert "answers, and not as a Kubernetes API server does" in failure().detail


def test_an_expired_token_says_to_log_in_again(fake: FakeCluster) -> None:
    fake.refusal = (401, "Unauthorized")
    found = failure()
    assert found.name == "api"
    assert "answers 401" in found.detail
    assert "has expired: log in again" in found.detail


def test_a_kubeconfig_without_a_login_is_told_from_a_person_without_rights(fake: FakeCluster) -> None:
    fake.rights.user = "system:anonymous"  # who may ask for the version all the same
    found = failure()
    assert found.name == "login"
    assert "to it you are system:anonymous" in found.detail
    assert "Log in again" in found.fix


def test_an_old_kubernetes_names_the_oldest_that_works(fake: FakeCluster) -> None:
    fake.version = "v1.29.9"
    found = failure()
    assert found.detail == "v1.29.9 is too old, 1.30 or newer is needed"
    assert "forebay up --cluster kind" in found.fix


@pytest.mark.parametrize(("ahead_s", "words"), [(300.0, "300 s behind"), (-300.0, "300 s ahead of")])
def test_a_clock_that_is_minutes_away_fails(fake: FakeCluster, ahead_s: float, words: str) -> None:
    fake.clock_ahead_s = ahead_s
    found = failure()
    assert found.name == "clock"
    seconds = int(found.detail.split(" UTC, ")[1].split(" ")[0])
    assert abs(seconds - 300) <= 2
    assert words.split(" ", 1)[1] in found.detail
    assert "timedatectl set-ntp true" in found.fix


def test_half_a_minute_between_clocks_passes(fake: FakeCluster) -> None:
    fake.clock_ahead_s = 30.0
    assert failures() == []


def test_a_cluster_whose_nodes_are_all_away_fails(fake: FakeCluster) -> None:
    fake.find_object("Node", "node")["spec"]["unschedulable"] = True
    found = failure()
    assert found.detail == "none of 1 takes pods: node (cordoned)"
    assert "kubectl uncordon NAME" in found.fix


def test_gpus_and_slices_are_counted_over_ready_nodes(fake: FakeCluster) -> None:
    ready = fake.find_object("Node", "node")
    ready["status"]["allocatable"] |= {"nvidia.com/gpu": "4", "nvidia.com/mig-1g.10gb": "7", "hugepages-1Gi": "0"}
    away = {**ready, "metadata": {"name": "away"}, "spec": {"unschedulable": True}}
    fake.objects.append(away)
    assert details("gpus") == "4 nvidia.com/gpu, 7 nvidia.com/mig-1g.10gb"
    assert details("nodes") == "1 of 2 take pods; the others do not: away (cordoned)"


def test_no_default_storage_class_says_how_to_mark_one(fake: FakeCluster) -> None:
    fake.find_object("StorageClass", "standard")["metadata"]["annotations"] = {}
    del fake.find_object("PersistentVolumeClaim", "data-forebay-s3-0")["spec"]["storageClassName"]
    found = failure()
    assert found.detail == "there is no default storage class, of standard"
    assert "annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true" in found.fix


def test_volumes_that_name_their_class_need_no_default(fake: FakeCluster) -> None:
    fake.find_object("StorageClass", "standard")["metadata"]["annotations"] = {}
    assert failures() == []
    assert details("storage") == "no default class; the volumes name theirs: standard"


def test_a_volume_of_an_unknown_class_that_waits_is_named_with_what_to_look_at(fake: FakeCluster) -> None:
    claim = fake.find_object("PersistentVolumeClaim", "data-forebay-s3-0")
    claim |= {"spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}}
    classes, volumes = failures()
    assert classes.detail == "volumes ask for the storage class fast, and there is standard"
    assert volumes.detail == "not bound: forebay/data-forebay-s3-0"
    assert "`kubectl describe pvc data-forebay-s3-0 --namespace forebay`" in volumes.fix


@pytest.mark.parametrize(
    ("group", "resource", "detail"),
    [
        ("serving.kserve.io/v1beta1", "inferenceservices", "serving.kserve.io/v1beta1 has no inferenceservices"),
        (
            "serving.kserve.io/v1alpha1",
            "clusterstoragecontainers",
            "serving.kserve.io/v1alpha1 has no clusterstoragecontainers",
        ),
        ("argoproj.io/v1alpha1", "workflowtasksets", "argoproj.io/v1alpha1 has no workflowtasksets"),
    ],
)
def test_a_kind_that_is_missing_is_named(fake: FakeCluster, group: str, resource: str, detail: str) -> None:
    kinds = fake.resources[f"/apis/{group}"]
    kinds[:] = [kind for kind in kinds if kind[0] != resource]
    found = failure()
    assert found.detail == detail
    assert found.fix == "`forebay up --cluster current` installs what is missing."


def test_kinds_in_another_version_are_told_from_absent_ones(fake: FakeCluster) -> None:
    fake.resources["/apis/cert-manager.io/v1alpha2"] = fake.resources.pop("/apis/cert-manager.io/v1")
    del fake.resources["/apis/kubeflow.org/v1beta1"]
    other, absent = failures()
    assert other.detail == "cert-manager.io is served as v1alpha2, and v1 is used"
    assert "manifests/versions.yaml" in other.fix
    assert absent.detail == "kubeflow.org/v1beta1 has no scheduledworkflows, viewers"


def test_an_optional_piece_that_is_there_is_shown(fake: FakeCluster) -> None:
    fake.resources["/apis/sparkoperator.k8s.io/v1beta2"] = [("sparkapplications", "SparkApplication", True)]
    assert failures() == []
    assert details("spark") == "sparkoperator.k8s.io/v1beta2: sparkapplications"


def test_a_deployment_that_is_not_available_is_named_with_what_to_look_at(fake: FakeCluster) -> None:
    fake.find_object("Deployment", "forebay-mlflow")["status"] = {}
    found = failure()
    assert (found.name, found.detail) == ("in forebay", "not available: forebay-mlflow (0 of 1)")
    assert "`kubectl get pods --namespace forebay`" in found.fix


def test_one_that_is_scaled_to_nothing_is_not_missed(fake: FakeCluster) -> None:
    deployment = fake.find_object("Deployment", "ml-pipeline")
    spare = {**deployment, "metadata": {**deployment["metadata"], "name": "viewer"}, "spec": {"replicas": 0}}
    fake.objects.append({**spare, "status": {}})
    assert failures() == []


def test_a_cluster_without_the_platform_is_told_what_installs_it(fake: FakeCluster) -> None:
    fake.objects[:] = [each for each in fake.objects if each["kind"] in ("Node", "StorageClass")]
    found = {check.name: check for check in failures()}
    assert set(found) == {"in kubeflow", "in forebay", "settings", "keys", "runtime"}
    assert all("`forebay up --cluster current`" in check.fix for check in found.values())
    assert "it was not checked" in details("in kserve")


def test_a_key_that_is_missing_is_named_and_how_to_add_it(fake: FakeCluster) -> None:
    del fake.find_object("Secret", "forebay-steps")["data"]["AWS_ACCESS_KEY_ID"]
    found = failure()
    assert found.detail == "Secret forebay-steps in kubeflow has no AWS_ACCESS_KEY_ID"
    assert "`kubectl edit secret forebay-steps --namespace kubeflow`" in found.fix


def test_a_signing_key_that_register_is_to_use_and_nobody_wrote_is_asked_for(fake: FakeCluster) -> None:
    assert details("signing") == "register signs no models (signing.enabled)"
    fake.set_data("ConfigMap", STEP_ENVIRONMENT, {SIGNING_KEY: "/run/forebay/signing/key.pem"})
    found = failure()
    assert found.detail.endswith("there is no Secret forebay-signing in kubeflow with the key key.pem")
    assert "`kubectl create secret generic forebay-signing --namespace kubeflow --from-file=key.pem`" in found.fix
    secret = {**fake.find_object("Secret", STEP_ENVIRONMENT), "data": {"key.pem": "aGlkZGVu"}}
    fake.objects.append({**secret, "metadata": {**secret["metadata"], "name": "forebay-signing"}})
    assert failures() == []


def test_a_store_of_a_clouds_own_needs_no_keys(fake: FakeCluster) -> None:
    fake.remove("StatefulSet", "forebay-s3")
    fake.remove("Secret", "forebay-models-store")
    for key in STORE_LOGIN_KEYS:
        del fake.find_object("Secret", "forebay-steps")["data"][key]
    assert failures() == []
    assert "without AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, as for a store of the cloud" in details("keys")


def test_a_right_that_steps_lack_is_named_with_the_binding(fake: FakeCluster) -> None:
    fake.rights.denied_account = {("forebay-models", "inferenceservices", "patch")}
    found = failure()
    assert found.detail == "kubeflow/pipeline-runner may not patch inferenceservices in forebay-models"
    assert "RoleBinding forebay-deployer in forebay-models" in found.fix


def test_rights_of_an_ingest_with_executors_are_asked_for_where_the_chart_lets_it(fake: FakeCluster) -> None:
    fake.rights.denied_account = {("kubeflow", "sparkapplications", "create")}
    fake.find_object("ConfigMap", STEP_ENVIRONMENT)["data"].pop(OPTIONAL_KEYS[0], None)
    assert failures() == []
    fake.set_data("ConfigMap", STEP_ENVIRONMENT, {OPTIONAL_KEYS[0]: "forebay-spark"})
    assert failure().detail == "kubeflow/pipeline-runner may not create sparkapplications in kubeflow"


def test_rights_of_a_training_on_several_machines_are_asked_for_where_the_chart_lets_it(fake: FakeCluster) -> None:
    fake.rights.denied_account = {("kubeflow", "trainjobs", "create")}
    assert failures() == []
    fake.resources["/apis/trainer.kubeflow.org/v1alpha1"] = [
        ("trainjobs", "TrainJob", True),
        ("trainingruntimes", "TrainingRuntime", True),
        ("clustertrainingruntimes", "ClusterTrainingRuntime", False),
    ]
    rendered = objects({**scenario("kind"), "trainer": {"enabled": True}})
    fake.objects += [each for each in rendered if each["kind"] == "TrainingRuntime"]
    assert failure().detail == "kubeflow/pipeline-runner may not create trainjobs in kubeflow"
    fake.rights.denied = {("kubeflow", "trainingruntimes", "get")}
    assert failures() == []


def test_a_right_that_a_person_lacks_comes_with_the_commands_that_grant_it(fake: FakeCluster) -> None:
    fake.rights.denied = {
        ("forebay", "pods/portforward", "create"),
        ("kubeflow", "pods", "create"),
        ("kubeflow", "pods", "delete"),
    }
    found = failure()
    assert found.name == "your rights"
    assert (
        "may not create pods/portforward in forebay, create pods in kubeflow, delete pods in kubeflow" in found.detail
    )
    role = "`kubectl create role forebay-person-2 --namespace kubeflow --verb create,delete --resource pods`"
    binding = "--namespace kubeflow --role forebay-person-2 --user jane@example.com`"
    assert role in found.fix
    assert binding in found.fix


def test_what_may_not_be_looked_at_is_said_and_is_no_failure(fake: FakeCluster) -> None:
    fake.rights.denied = {
        ("", "nodes", "list"),
        ("", "storageclasses", "list"),
        ("kubeflow", "secrets", "get"),
        ("", "subjectaccessreviews", "create"),
    }
    assert failures() == []
    said = 'not checked, you lack the right: {0} is forbidden: User "jane@example.com" cannot'
    for name, resource in (
        ("nodes", "nodes"), ("storage", "storageclasses"), ("keys", "secrets"), ("step rights", "subjectaccessreviews")
    ):  # fmt: skip
        assert said.format(resource) in details(name)


def test_fixes_name_the_context_that_was_asked_about(fake: FakeCluster) -> None:
    fake.remove("ServingRuntime", "forebay")
    [found] = [check for check in looked("fake") if not check.ok]
    assert "`forebay up --cluster current --context fake`" in found.fix


def test_the_keys_that_are_looked_for_are_those_that_steps_take_and_the_chart_writes(fake: FakeCluster) -> None:
    compiled = list(yaml.safe_load_all((ROOT / "pipelines/compiled/training.yaml").read_text()))[1]
    executors = compiled["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert _taken(executors, "configMapAsEnv", "configMapKey") == {*CONFIG_KEYS, ENDPOINT, *OPTIONAL_KEYS}
    assert _taken(executors, "secretAsEnv", "secretKey") == {*MLFLOW_LOGIN_KEYS, *STORE_LOGIN_KEYS}
    assert set(fake.data("ConfigMap", STEP_ENVIRONMENT)) - set(OPTIONAL_KEYS) == {*CONFIG_KEYS, ENDPOINT}
    assert set(fake.data("Secret", STEP_ENVIRONMENT)) == {*MLFLOW_LOGIN_KEYS, *STORE_LOGIN_KEYS}
    assert f"name: {STEP_ENVIRONMENT}" in (CHART / "templates/pipelines/secret-steps.yaml").read_text()


def _taken(executors: Any, source: str, key: str) -> set[str]:
    given: list[Object] = [each for executor in executors for each in executor.get(source, [])]
    return {pair[key] for each in given if STEP_ENVIRONMENT in str(each) for pair in each["keyToEnv"]}


def _point_at(folder: Path, server: str) -> None:
    config = yaml.safe_load((folder / "kubeconfig").read_text())
    config["clusters"][0]["cluster"]["server"] = server
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
