"""What the deploy step may ask an API server for, as data: it asks for nothing else, and the chart grants it."""

from forebay.kube.access import EVENTS, POD_LOGS, AccessRule, single_rights

INFERENCE_SERVICES = AccessRule(
    group="serving.kserve.io",
    resource="inferenceservices",
    # get: what is served now. watch: wait until it is ready. create and patch: server-side apply needs both where
    # the object is new. delete: take back a first version that did not prove itself.
    verbs=("get", "watch", "create", "patch", "delete"),
    why="apply a version, wait for it, put back what was",
)
PODS = AccessRule(group="", resource="pods", verbs=("list",), why="say why a version does not come up")

# Secrets are not in it: KServe's storage initializer reads the store's credentials through the pod's service account.
CLUSTER_ACCESS = (INFERENCE_SERVICES, PODS, POD_LOGS, EVENTS)


def rights() -> frozenset[tuple[str, str, str]]:
    """Each single right: API group, resource, verb."""
    return single_rights(CLUSTER_ACCESS)
