"""Checks of what runs all the time: the Deployments and StatefulSets of the platform and of its pieces."""

from collections.abc import Iterator
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.inspected_cluster import STATEFUL_SETS, InspectedCluster, run_check
from forebay.kube.resource_types import DEPLOYMENTS, Object
from forebay.settings.namespaces import PIPELINES, PLATFORM

COMPONENT_NAMESPACES = ("cert-manager", "kserve")  # what somebody else installed may be in other namespaces
OWN_STORE = f"{PLATFORM}-s3"  # the chart's own object store


def workload_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """One check for each namespace."""
    for namespace in (*COMPONENT_NAMESPACES, PIPELINES, PLATFORM):
        yield run_check(f"in {namespace}", partial(_available, cluster, namespace))


def _available(cluster: InspectedCluster, namespace: str) -> CheckResult:
    name = f"in {namespace}"
    wanted = [each for each in _deployed(cluster, namespace) if each["spec"].get("replicas", 1)]
    if not wanted and namespace in COMPONENT_NAMESPACES:
        return passed(name, "nothing runs there; where it is installed elsewhere, it was not checked")
    if not wanted:
        return failed(name, "nothing runs there", f"{cluster.install_command} installs what is missing.")
    missing = [each for each in wanted if _ready(each) < each["spec"].get("replicas", 1)]
    if not missing:
        return passed(name, f"{', '.join(each['metadata']['name'] for each in wanted)} available")
    unavailable = [
        f"{each['metadata']['name']} ({_ready(each)} of {each['spec'].get('replicas', 1)})" for each in missing
    ]
    pods = cluster.kubectl(f"get pods --namespace {namespace}")
    events = cluster.kubectl(f"describe pods --namespace {namespace}")
    return failed(name, f"not available: {', '.join(unavailable)}", f"{pods} shows its pods, {events} why they wait.")


def _deployed(cluster: InspectedCluster, namespace: str) -> list[Object]:
    return [each for kind in (DEPLOYMENTS, STATEFUL_SETS) for each in cluster.api.list_all(kind, namespace)]


def _ready(each: Object) -> int:
    return int((each.get("status") or {}).get("readyReplicas") or 0)


def has_own_store(cluster: InspectedCluster) -> bool:
    """Whether the chart installed the object store; then it has written the keys as well."""
    return cluster.api.find(STATEFUL_SETS, PLATFORM, OWN_STORE) is not None
