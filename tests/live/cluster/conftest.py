"""What every test against a real API server needs: `make test-cluster` runs them with the cluster of KUBECONFIG."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.helm_chart import RELEASE
from support.live_helm_release import Release, everything, run, succeeded
from support.opt_in import skip_unless_asked

NAMESPACES = (RELEASE, "kubeflow", "forebay-models")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Never by accident: these tests write to the cluster that KUBECONFIG names."""
    reason = "writes to a cluster: `make test-cluster` with KUBECONFIG set"
    skip_unless_asked(items, Path(__file__).parent, "FOREBAY_TEST_CLUSTER", reason)
    # A dry run says what a new install would meet, so it comes before there is one.
    ours = Path(__file__).parent
    items.sort(key=lambda item: item.path.parent == ours and "release" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def cluster() -> Any:
    """A client for any kind that the API server knows."""
    from kubernetes import config
    from kubernetes.dynamic import DynamicClient

    try:
        client = config.new_client_from_config()
    except config.ConfigException as error:
        pytest.fail(f"{error} Set KUBECONFIG to the file of a cluster that these tests may write to.")
    return DynamicClient(client)


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
    for name in made:
        succeeded(run("kubectl", "wait", "--for=delete", f"namespace/{name}", "--timeout=180s"))


@pytest.fixture(scope="session")
def release(cluster: Any, namespaces: tuple[str, ...]) -> Iterator[Release]:
    """The laptop's scenario, installed once for all tests; every test leaves it installed and ready."""
    from kubernetes.dynamic.exceptions import ResourceNotFoundError

    made = Release(RELEASE, RELEASE, {})
    try:
        cluster.resources.get(api_version="serving.kserve.io/v1alpha1", kind="ServingRuntime")
    except ResourceNotFoundError:
        pytest.fail("The chart brings a ServingRuntime; install the pinned CRDs of KServe first.")
    present = everything(cluster, made)
    if present:
        pytest.fail(f"A release {RELEASE}, or what one left, is there, and these tests would remove it: {present}")
    succeeded(made.upgrade())
    yield made
    made.uninstall()
    made.forget()


@pytest.fixture
def spare(cluster: Any) -> Iterator[Release]:
    """A second release, not installed, in a namespace of its own that holds its served models as well."""
    made = Release("spare", "forebay-spare", {"serving": {"namespace": "forebay-spare"}})
    api = cluster.resources.get(api_version="v1", kind="Namespace")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create(body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.namespace, "labels": labels}})
    yield made
    made.helm("uninstall", "--wait", "--ignore-not-found")
    api.delete(name=made.namespace)
    succeeded(run("kubectl", "wait", "--for=delete", f"namespace/{made.namespace}", "--timeout=180s"))
