"""What a real cluster lacks is refused before anything is applied. These tests only read."""

import os
from typing import Any

import helm_python
import pytest
from helm_python import Config

from support.helm_chart import CHART, RELEASE, Values

HERE = {"namespace": "default"}  # a namespace that every cluster has


def ask(values: Values) -> Any:
    """What `helm install --dry-run=server` says."""
    with Config(kubeconfig_path=os.environ.get("KUBECONFIG"), namespace="default") as config:
        return config.install(str(CHART), RELEASE, values, namespace="default", dry_run="server")


def names(cluster: Any, version: str, kind: str, namespace: str | None = None) -> set[str]:
    api = cluster.resources.get(api_version=version, kind=kind)
    return {found.metadata.name for found in api.get(namespace=namespace).items}


def test_what_the_cluster_has_is_taken(cluster: Any) -> None:
    assert "kind: StatefulSet" in ask({"serving": HERE})["manifest"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"serving": {"namespace": "forebay-nowhere"}}, 'serving.namespace is "forebay-nowhere": there is no such'),
        (
            {"serving": HERE, "mlflow": {"auth": {"existingSecret": "forebay-nobodys"}}},
            "no such Secret in the namespace",
        ),
        ({"serving": HERE, "s3": {"existingSecret": "forebay-nobodys"}}, "s3.existingSecret is"),
        ({"serving": HERE, "images": {"pullSecrets": ["forebay-nobodys"]}}, "images.pullSecrets is"),
    ],
)
def test_what_it_lacks_is_refused_and_nothing_is_there_afterwards(cluster: Any, values: Values, said: str) -> None:
    before = names(cluster, "v1", "Secret", "default")
    with pytest.raises(helm_python.HelmError, match=said):
        ask(values)
    assert names(cluster, "v1", "Secret", "default") == before


def test_an_absent_storage_class_is_refused_with_those_that_there_are(cluster: Any) -> None:
    there = names(cluster, "storage.k8s.io/v1", "StorageClass")
    with pytest.raises(helm_python.HelmError, match=r"has no such storage class, it has .*\. Name one") as refusal:
        ask({"serving": HERE, "postgres": {"storage": {"className": "forebay-none"}}})
    assert all(name in str(refusal.value) for name in there)
