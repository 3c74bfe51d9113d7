"""What a step asks of a cluster's API server, as data: its client does no more, and the chart grants it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Access:
    """Verbs on one kind of resource in one namespace, and what for."""

    group: str  # API group; empty for the core one
    resource: str
    verbs: tuple[str, ...]
    why: str


POD_LOGS = Access(group="", resource="pods/log", verbs=("get",), why="show the last lines of a container that fails")
EVENTS = Access(group="", resource="events", verbs=("list",), why="say what the scheduler and the kubelet miss")


def of_job(group: str, resource: str) -> tuple[Access, ...]:
    """What `forebay.kube.followed_resource` and `forebay.kube.own_pod` do, for jobs of one kind."""
    return (
        # create and patch: server-side apply needs both where the object is new.
        Access(group, resource, ("get", "watch", "create", "patch", "delete"), "run a job and take it back"),
        Access("", "pods", ("get", "list"), "know its own image, and say why a job does not come up"),
        POD_LOGS,
        EVENTS,
    )


def single_rights(uses: Iterable[Access]) -> frozenset[tuple[str, str, str]]:
    """Each single right: API group, resource, verb."""
    return frozenset((use.group, use.resource, verb) for use in uses for verb in use.verbs)
