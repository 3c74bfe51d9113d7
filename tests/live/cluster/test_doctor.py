"""`forebay doctor --cluster` on a real cluster that has the chart: true answers of a true API server and kubelet."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.live_helm_release import Release

DOCTOR = (sys.executable, "-m", "forebay", "doctor", "--cluster", "--json")
NOWHERE = "forebay.invalid/no-such-image:1"
ACCOUNT = {"name": "pipeline-runner", "namespace": "kubeflow"}


def checks(*options: str) -> dict[str, list[dict[str, Any]]]:
    """Every check, by its name, which several may have."""
    answer = subprocess.run([*DOCTOR, *options], capture_output=True, text=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for check in json.loads(answer.stdout)["checks"]:
        found.setdefault(check["name"], []).append(check)
    return found


@pytest.fixture
def account(cluster: Any, release: Release) -> Iterator[None]:
    """The service account of steps, which Kubeflow Pipelines brings where it is installed."""
    api = cluster.resources.get(api_version="v1", kind="ServiceAccount")
    there = [each.metadata.name for each in api.get(namespace=ACCOUNT["namespace"]).items]
    if ACCOUNT["name"] in there:
        yield
        return
    api.create(body={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": ACCOUNT})
    yield
    api.delete(**ACCOUNT)


@pytest.mark.usefixtures("release")
def test_what_the_chart_installs_is_found_well_and_no_value_is_shown() -> None:
    found = checks("--no-probe")
    named = ("api", "kubernetes", "clock", "login", "nodes", "storage", "in forebay", "settings", "keys", "runtime")
    assert [check for name in named for check in found[name] if not check["ok"]] == []
    assert "forebay-mlflow" in found["in forebay"][0]["detail"]
    assert "FOREBAY_MLFLOW_PASSWORD" in found["keys"][0]["detail"]
    assert "http://" not in found["settings"][0]["detail"]


@pytest.mark.usefixtures("account")
def test_an_image_that_is_nowhere_is_named_and_its_pod_is_gone_afterwards(cluster: Any) -> None:
    [found] = checks("--image", NOWHERE)["image"]
    assert not found["ok"]
    assert f"The container image {NOWHERE} cannot be pulled" in found["detail"]
    pods = cluster.resources.get(api_version="v1", kind="Pod")
    left = pods.get(namespace="kubeflow", label_selector="app.kubernetes.io/name=forebay-doctor").items
    assert [pod.metadata.name for pod in left if not pod.metadata.deletionTimestamp] == []
