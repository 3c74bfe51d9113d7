"""What keeps pods from running or ended them, read from pods and events alone, whatever runs in the pods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
IMAGE_REASONS = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
CONTAINER_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True, kw_only=True)
class PodProblem:
    """Why pods do not come up, or what ended one."""

    kind: str  # stays the same while the problem lasts, although the text may name another pod at each look
    text: str
    is_permanent: bool = True  # waiting alone does not help; where a cluster grows, a node may be free in a minute
    pod: str = ""  # whose log says more
    container: str = ""
    is_restarted: bool = False  # the log that says more belongs to the container before its restart
    ended_at: str = ""  # when a container crashed; where several do, the first one is the cause


@dataclass(frozen=True, kw_only=True)
class WorkloadTerms:
    """What messages call the program in the pods, and the settings that decide how much it asks for."""

    noun: str  # such as server
    crash: str  # such as: The server does not stay up
    size_settings: str  # settings that ask for less, such as deploy.gpus and deploy.memory
    memory_setting: str
    crash_by_container: Mapping[str, str] = field(
        default_factory=dict
    )  # for containers whose crash means another thing


def find_pod_problems(pods: Sequence[Object], terms: WorkloadTerms) -> Iterator[PodProblem]:
    """The problems of each pod that is not being deleted."""
    for pod in pods:
        if not pod["metadata"].get("deletionTimestamp"):
            yield from _scheduling_problems(pod, terms)
            yield from _container_problems(pod, terms)


def find_rejected_pods(events: Sequence[Object], prefix: str, terms: WorkloadTerms) -> Iterator[PodProblem]:
    """Pods that the API server did not let anybody create: quota, Pod Security, a missing service account.

    Args:
        events: only those with the reason FailedCreate count.
        prefix: how the name of the object that creates the pods begins.
        terms: words for the message.
    """
    rejections = [
        event
        for event in events
        if event.get("reason") == "FailedCreate"
        and str((event.get("involvedObject") or {}).get("name", "")).startswith(prefix)
    ]
    for event in sorted(rejections, key=_event_time, reverse=True)[:1]:
        yield PodProblem(kind="Refused", text=f"The cluster refuses the {terms.noun}'s pod: {message_of(event)}.")


def find_condition(found: Object, kind: str) -> Object:
    """The condition of that kind in an object's status; empty where there is none."""
    conditions: list[Object] = (found.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def message_of(found: Object) -> str:
    """The message or the reason of a condition, a container's state or an event, without a full stop."""
    return str(found.get("message") or found.get("reason") or "no reason given").strip().rstrip(".")


def _scheduling_problems(pod: Object, terms: WorkloadTerms) -> Iterator[PodProblem]:
    scheduled = find_condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield PodProblem(
            kind="Unschedulable",
            text=f"No node takes the pod {_name(pod)}: {message_of(scheduled)}. Add or free a node, or ask for less "
            f"with {terms.size_settings}.",
            is_permanent=False,
        )


def _container_problems(pod: Object, terms: WorkloadTerms) -> Iterator[PodProblem]:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state, last = container.get("state") or {}, container.get("lastState") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        reason = waiting.get("reason", "")
        if reason in IMAGE_REASONS:
            text = f"The container image {container['image']} cannot be pulled ({reason}): {message_of(waiting)}."
            yield PodProblem(kind="Image", text=text)
        elif reason in CONTAINER_REASONS:
            text = f"The container {container['name']} of {_name(pod)} cannot start: {message_of(waiting)}."
            yield PodProblem(kind="Container", text=text)
        elif ended and ended.get("exitCode") != 0 and not container.get("ready"):
            yield _crash(pod, container, ended, terms, is_restarted="terminated" not in state)


def _crash(pod: Object, container: Object, ended: Object, terms: WorkloadTerms, *, is_restarted: bool) -> PodProblem:
    code, reason, name = ended.get("exitCode"), ended.get("reason", "Error"), container["name"]
    what = f"{name} of {_name(pod)} ended with {code}" + (f" ({reason})" if reason != "Error" else "")
    if name in terms.crash_by_container:
        text = f"{terms.crash_by_container[name]}: {what}."
    elif reason == "OOMKilled":
        text = f"The {terms.noun} needs more memory than it may have: {what}. Raise {terms.memory_setting}."
    else:
        text = f"{terms.crash}: {what}."
    return PodProblem(
        kind="Crash", text=text, pod=_name(pod), container=name, is_restarted=is_restarted,
        ended_at=str(ended.get("finishedAt") or ""),
    )  # fmt: skip


def _event_time(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])
