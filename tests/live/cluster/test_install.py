"""The chart installed for real: its pods start under the restricted standard, and MLflow works in them."""

import uuid
from typing import Any

import requests

from support.helm_chart import scenario
from support.live_helm_release import Release, everything, found, mlflow_address, passwords, succeeded


def test_every_pod_becomes_ready_without_a_restart(cluster: Any, release: Release) -> None:
    pods = found(cluster, release, "Pod")
    parts = sorted(pod.metadata.labels["app.kubernetes.io/name"] for pod in pods)
    assert parts == ["mlflow", "postgres", "s3"]
    for pod in pods:
        conditions = {condition.type: condition.status for condition in pod.status.conditions}
        assert conditions["Ready"] == "True", pod.metadata.name
        assert [state.restartCount for state in pod.status.containerStatuses] == [0], pod.metadata.name


def test_helm_test_passes_and_leaves_no_pod(cluster: Any, release: Release) -> None:
    assert "Succeeded" in succeeded(release.helm("test", "--timeout", "5m"))
    assert f"{release.name}-check" not in {pod.metadata.name for pod in found(cluster, release, "Pod")}


def test_mlflow_answers_its_administrator_and_nobody_else(cluster: Any, release: Release) -> None:
    administrator = passwords(cluster, release)[f"{release.name}-mlflow-auth"]
    asked = {"max_results": "1"}
    with mlflow_address(release) as address:
        url = f"{address}/api/2.0/mlflow/experiments/search"
        right = (administrator["username"], administrator["password"])
        assert requests.get(url, params=asked, auth=right, timeout=30).status_code == 200
        assert requests.get(url, params=asked, auth=(right[0], "wrong"), timeout=30).status_code == 401
        assert requests.get(url, params=asked, timeout=30).status_code == 401


def test_the_runner_of_pipelines_makes_experiments_and_no_users(cluster: Any, release: Release) -> None:
    runner = passwords(cluster, release)[f"{release.name}-mlflow-runner"]
    login = (runner["username"], runner["password"])
    name = {"name": f"of-the-runner-{uuid.uuid4().hex}"}
    user = {"username": "somebody", "password": "a-long-password"}
    with mlflow_address(release) as address:
        made = requests.post(f"{address}/api/2.0/mlflow/experiments/create", json=name, auth=login, timeout=30)
        users = requests.post(f"{address}/api/2.0/mlflow/users/create", json=user, auth=login, timeout=30)
    assert made.status_code == 200
    assert users.status_code == 403


def test_mlflow_refuses_its_administrator_under_a_host_name_that_nobody_allowed(cluster: Any, release: Release) -> None:
    administrator = passwords(cluster, release)[f"{release.name}-mlflow-auth"]
    right = (administrator["username"], administrator["password"])
    with mlflow_address(release) as address:
        url = f"{address}/api/2.0/mlflow/experiments/search?max_results=1"
        stranger = requests.get(url, headers={"Host": "evil.example.com"}, auth=right, timeout=30)
    assert stranger.status_code == 403


def test_the_least_that_works_works_and_an_uninstall_leaves_its_data(cluster: Any, spare: Release) -> None:
    succeeded(spare.upgrade(scenario("minimal")))
    parts = sorted(pod.metadata.labels["app.kubernetes.io/name"] for pod in found(cluster, spare, "Pod"))
    assert parts == ["mlflow", "s3"]
    assert "Succeeded" in succeeded(spare.helm("test", "--timeout", "5m"))
    spare.uninstall()
    assert everything(cluster, spare) == {
        ("Secret", "spare-mlflow-auth"),
        ("Secret", "spare-s3"),
        ("PersistentVolumeClaim", "spare-mlflow"),
        ("PersistentVolumeClaim", "data-spare-s3-0"),
    }
