"""What the deploy step asks of a cluster's API server, as data: its client does no more, and the chart grants it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """Verbs on one kind of resource in the namespace of served models, and what for."""

    group: str  # API group; empty for the core one
    resource: str
    verbs: tuple[str, ...]
    why: str


INFERENCE_SERVICES = Access(
    group="serving.kserve.io",
    resource="inferenceservices",
    # get: what is served now. watch: wait until it is ready. create and patch: server-side apply needs both where
    # the object is new. delete: take back a first version that did not prove itself.
    verbs=("get", "watch", "create", "patch", "delete"),
    why="apply a version, wait for it, put back what was",
)
PODS = Access(group="", resource="pods", verbs=("list",), why="say why a version does not come up")
POD_LOGS = Access(group="", resource="pods/log", verbs=("get",), why="show the last lines of a server that fails")
EVENTS = Access(group="", resource="events", verbs=("list",), why="say what the scheduler and the kubelet miss")

# Secrets are not in it: KServe's storage initializer reads the store's credentials through the pod's service account.
CLUSTER_ACCESS = (INFERENCE_SERVICES, PODS, POD_LOGS, EVENTS)


def rights() -> frozenset[tuple[str, str, str]]:
    """Each single right: API group, resource, verb."""
    return frozenset((use.group, use.resource, verb) for use in CLUSTER_ACCESS for verb in use.verbs)
