"""All checks of `forebay doctor --cluster`, in the order in which a person would repair things."""

from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed_with
from forebay.cluster.checks import (
    api_server,
    definitions,
    nodes,
    probe_pod,
    rights,
    step_environment,
    storage,
    workloads,
)
from forebay.cluster.checks.inspected_cluster import InspectedCluster
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ConfigError
from forebay.install.charts import sources
from forebay.kube.client import connect
from forebay.kube.retries import INTERACTIVE_RETRY_S


def cluster_checks(
    context: str, *, probed: bool, image: str = "", timeouts: ClusterTimeouts | None = None
) -> Iterator[CheckResult]:
    """Check everything that the platform needs of a cluster; each check is made when its result is asked for.

    Args:
        context: a context of the kubeconfig; empty for the pod's own cluster, or the current one.
        probed: whether a short-lived pod checks from inside the cluster as well.
        image: container image of that pod; empty for the one of register and deploy.
        timeouts: how long to wait for a server that is away.
    """
    timeouts = timeouts or ClusterTimeouts()
    try:
        cluster = InspectedCluster(connect(context, timeouts.retry_budget(INTERACTIVE_RETRY_S), timeouts.api), context)
    except ConfigError as error:
        yield failed_with("kubeconfig", error)
        return
    first = list(api_server.api_server_checks(cluster, sources.find_sources().kubernetes_versions()["minimum"]))
    yield from first
    if any(check.name in ("api", "login") and not check.ok for check in first):
        return
    groups = (
        nodes.node_checks,
        storage.storage_checks,
        definitions.definition_checks,
        workloads.workload_checks,
        step_environment.environment_checks,
        rights.rights_checks,
    )
    for group in groups:
        yield from group(cluster)
    if probed:
        yield from probe_pod.run_probe_pod(cluster, image)
