"""All the checks of `forebay doctor --cluster`, in the order a person would mend things."""

from collections.abc import Iterator

from forebay.backend.check import CheckResult, failed_with
from forebay.cluster.checks import definitions, given, nodes, probe, reach, rights, storage, workloads
from forebay.cluster.checks.place import Place
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ConfigError
from forebay.install.charts import sources
from forebay.kube.client import connect
from forebay.kube.retries import INTERACTIVE_RETRY_S


def all_checks(
    context: str, *, probed: bool, image: str = "", timeouts: ClusterTimeouts | None = None
) -> Iterator[CheckResult]:
    """Look at everything the platform needs of a cluster; a check is made when it is asked for.

    Args:
        context: of the kubeconfig; empty for the pod's own cluster, or the current one.
        probed: whether a short-lived pod looks from inside as well.
        image: of that pod; empty for the pipelines' own.
        timeouts: how long to wait for a server that is away.
    """
    timeouts = timeouts or ClusterTimeouts()
    try:
        place = Place(connect(context, timeouts.retry_budget(INTERACTIVE_RETRY_S), timeouts.api), context)
    except ConfigError as error:
        yield failed_with("kubeconfig", error)
        return
    reached = list(reach.server(place, sources.find_sources().kubernetes_versions()["minimum"]))
    yield from reached
    if any(check.name in ("api", "login") and not check.ok for check in reached):
        return
    looks = (nodes.nodes, storage.storage, definitions.definitions, workloads.workloads, given.given, rights.rights)
    for look in looks:
        yield from look(place)
    if probed:
        yield from probe.probe(place, image)
