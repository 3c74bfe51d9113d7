"""The network policies, by pods that try: who needs a part reaches it, anybody else does not."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.helm_chart import RELEASE
from support.live_helm_release import Release, found

STRANGERS = "forebay-strangers"
OPEN, CLOSED = 0, 3
# Policies reach the nodes some moments after a pod has its address, so a probe tries until it sees what is expected.
PROBE = """
import socket, sys, time
host, port, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
deadline = time.monotonic() + 30
seen = None
while seen != wanted and time.monotonic() < deadline:
    try:
        socket.create_connection((host, port), timeout=3).close()
        seen = 0
    except socket.gaierror:
        seen = 4
    except OSError:
        seen = 3
    time.sleep(0.2)
sys.exit(seen)
"""


class Prober:
    """Makes small pods in which Python runs; the image is that of the installed MLflow."""

    def __init__(self, cluster: Any, image: str) -> None:
        self.api = cluster.resources.get(api_version="v1", kind="Pod")
        self.image = image
        self.made: list[tuple[str, str]] = []

    def start(self, namespace: str, labels: dict[str, str], command: list[str]) -> str:
        name = f"network-probe-{len(self.made)}"
        container = {
            "name": "probe",
            "image": self.image,
            "command": command,
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        spec = {
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        }
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
        self.api.create(body=body, namespace=namespace)
        self.made.append((namespace, name))
        return name

    def until(self, namespace: str, name: str, phases: set[str]) -> Any:
        """The pod, once it is in one of the phases."""
        for event in self.api.watch(namespace=namespace, field_selector=f"metadata.name={name}", timeout=180):
            if event["object"].status.phase in phases:
                return event["object"]
        return pytest.fail(f"{namespace}/{name} is in none of {phases} after three minutes")

    def reaches(self, namespace: str, labels: dict[str, str], host: str, port: int, wanted: int) -> int:
        """OPEN or CLOSED, from a pod of that namespace with those labels."""
        name = self.start(namespace, labels, ["python3", "-c", PROBE, host, str(port), str(wanted)])
        ended = self.until(namespace, name, {"Succeeded", "Failed"})
        return int(ended.status.containerStatuses[0].state.terminated.exitCode)

    def clear(self) -> None:
        for namespace, name in self.made:
            self.api.delete(name=name, namespace=namespace)


@pytest.fixture(scope="module")
def prober(cluster: Any, release: Release) -> Iterator[Prober]:
    """Probes, and a namespace of strangers; skipped where the cluster's network lets a denied pod answer."""
    namespaces = cluster.resources.get(api_version="v1", kind="Namespace")
    namespaces.create(body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": STRANGERS}})
    (deployment,) = found(cluster, release, "Deployment", "apps/v1")
    made = Prober(cluster, deployment.spec.template.spec.containers[0].image)
    try:
        if not _enforced(cluster, made):
            pytest.skip("the cluster's network plugin does not enforce network policies: a denied pod answers")
        yield made
    finally:
        made.clear()
        namespaces.delete(name=STRANGERS)


def _enforced(cluster: Any, prober: Prober) -> bool:
    labels = {"probe": "server"}
    server = prober.start(STRANGERS, labels, ["python3", "-m", "http.server", "8000", "--directory", "/tmp"])
    address = prober.until(STRANGERS, server, {"Running"}).status.podIP
    assert prober.reaches(STRANGERS, {}, address, 8000, OPEN) == OPEN
    policies = cluster.resources.get(api_version="networking.k8s.io/v1", kind="NetworkPolicy")
    spec = {"podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress"]}
    body = {"apiVersion": policies.group_version, "kind": "NetworkPolicy", "metadata": {"name": "deny"}, "spec": spec}
    policies.create(body=body, namespace=STRANGERS)
    return prober.reaches(STRANGERS, {}, address, 8000, CLOSED) == CLOSED


def part(name: str) -> dict[str, str]:
    """Labels of a pod of the release."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": RELEASE}


@pytest.mark.parametrize(
    ("namespace", "labels", "service", "port", "expected"),
    [
        pytest.param("kubeflow", {}, "mlflow", 5000, OPEN, id="a step reaches MLflow"),
        pytest.param("kubeflow", {}, "s3", 9000, OPEN, id="a step reaches the store"),
        pytest.param("kubeflow", {}, "postgres", 5432, CLOSED, id="a step does not reach Postgres"),
        pytest.param("forebay-models", {}, "s3", 9000, OPEN, id="a served model reaches the store"),
        pytest.param("forebay-models", {}, "mlflow", 5000, CLOSED, id="a served model does not reach MLflow"),
        pytest.param("forebay-models", {}, "postgres", 5432, CLOSED, id="a served model does not reach Postgres"),
        pytest.param(RELEASE, part("check"), "mlflow", 5000, OPEN, id="the release's check reaches MLflow"),
        pytest.param(RELEASE, part("check"), "s3", 9000, CLOSED, id="the release's check does not reach the store"),
        pytest.param(RELEASE, {}, "mlflow", 5000, CLOSED, id="a neighbour does not reach MLflow"),
        pytest.param(STRANGERS, {}, "mlflow", 5000, CLOSED, id="a stranger does not reach MLflow"),
        pytest.param(STRANGERS, {}, "s3", 9000, CLOSED, id="a stranger does not reach the store"),
        pytest.param(STRANGERS, {}, "postgres", 5432, CLOSED, id="a stranger does not reach Postgres"),
    ],
)
def test_who_needs_a_part_reaches_it_and_nobody_else(
    prober: Prober, namespace: str, labels: dict[str, str], service: str, port: int, expected: int
) -> None:
    host = f"{RELEASE}-{service}.{RELEASE}.svc"
    assert prober.reaches(namespace, labels, host, port, expected) == expected
