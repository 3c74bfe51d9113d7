"""What a step may ask an API server for, as data: the client asks for nothing else, and the chart grants it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class AccessRule:
    """Verbs on one kind of resource in one namespace, and the reason."""

    group: str  # API group; empty for the core group
    resource: str
    verbs: tuple[str, ...]
    why: str


POD_LOGS = AccessRule(
    group="", resource="pods/log", verbs=("get",), why="show the last lines of a container that fails"
)
EVENTS = AccessRule(group="", resource="events", verbs=("list",), why="say what the scheduler and the kubelet lack")


def job_access(group: str, resource: str) -> tuple[AccessRule, ...]:
    """What `forebay.kube.custom_job` and `forebay.kube.own_pod` do, for jobs of one kind."""
    return (
        # create and patch: server-side apply needs both where the object is new.
        AccessRule(group, resource, ("get", "watch", "create", "patch", "delete"), "run a job and take it back"),
        AccessRule("", "pods", ("get", "list"), "know its own image, and say why a job does not come up"),
        POD_LOGS,
        EVENTS,
    )


def single_rights(uses: Iterable[AccessRule]) -> frozenset[tuple[str, str, str]]:
    """Each single right: API group, resource, verb."""
    return frozenset((use.group, use.resource, verb) for use in uses for verb in use.verbs)
