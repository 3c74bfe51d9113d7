"""What every test against a real API server needs: `make test-cluster` runs them with the cluster of KUBECONFIG."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chart_rendering import RELEASE

HERE = Path(__file__).parent
NAMESPACES = (RELEASE, "kubeflow", "forebay-models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Never by accident: these tests write to the cluster that KUBECONFIG names."""
    if os.environ.get("FOREBAY_TEST_CLUSTER") == "1":
        return
    skip = pytest.mark.skip(reason="writes to a cluster: `make test-cluster` with KUBECONFIG set")
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def cluster() -> Any:
    """A client for any kind that the API server knows."""
    from kubernetes import config
    from kubernetes.dynamic import DynamicClient

    return DynamicClient(config.new_client_from_config())


@pytest.fixture(scope="session")
def namespaces(cluster: Any) -> Iterator[tuple[str, ...]]:
    """The namespaces of the chart; those that were not there are removed again."""
    api = cluster.resources.get(api_version="v1", kind="Namespace")
    present = {found.metadata.name for found in api.get().items}
    made = [name for name in NAMESPACES if name not in present]
    for name in made:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"} if name != "kubeflow" else {}
        api.create(body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield NAMESPACES
    for name in made:
        api.delete(name=name)
