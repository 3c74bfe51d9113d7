"""What keeps pods from running or ended them, read from pods and events alone, for whatever runs in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
NO_IMAGE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why pods do not come up, or what ended one."""

    kind: str  # the same for as long as it is the same one; the text may name another pod each time
    text: str
    hopeless: bool = True  # waiting alone does not mend it; a cluster that grows may have room in a minute
    pod: str = ""  # whose log says more
    container: str = ""
    restarted: bool = False  # the log is that of the container before
    ended_at: str = ""  # of a crash; where several pods end, the first one is the cause


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What runs in the pods, in words, and the settings by which it asks for room."""

    noun: str  # such as server
    crash: str  # such as: The server does not stay up
    room: str  # settings that ask for less, such as deploy.gpus and deploy.memory
    memory: str  # the setting of its memory
    containers: Mapping[str, str] = field(default_factory=dict)  # those whose crash means something else, and what


def of_pods(pods: Sequence[Object], subject: Subject) -> Iterator[Obstacle]:
    """What is in the way of each pod that is not being deleted."""
    for pod in pods:
        if not pod["metadata"].get("deletionTimestamp"):
            yield from _scheduling(pod, subject)
            yield from _containers(pod, subject)


def refused_pods(events: Sequence[Object], prefix: str, subject: Subject) -> Iterator[Obstacle]:
    """Pods that the API server never let be made: quota, Pod Security, an absent service account.

    Args:
        events: FailedCreate ones among them count.
        prefix: of the name of what should have made the pods.
        subject: for the words.
    """
    refused = [
        event
        for event in events
        if event.get("reason") == "FailedCreate"
        and str((event.get("involvedObject") or {}).get("name", "")).startswith(prefix)
    ]
    for event in sorted(refused, key=_when, reverse=True)[:1]:
        yield Obstacle(kind="Refused", text=f"The cluster refuses the {subject.noun}'s pod: {said(event)}.")


def condition(each: Object, kind: str) -> Object:
    """A condition of an object's status; empty where it has none of that kind."""
    conditions: list[Object] = (each.get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind), {})


def said(each: Object) -> str:
    """What a condition, a state or an event says, without a full stop."""
    return str(each.get("message") or each.get("reason") or "no reason given").strip().rstrip(".")


def _scheduling(pod: Object, subject: Subject) -> Iterator[Obstacle]:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield Obstacle(
            kind="Unschedulable",
            text=f"No node takes the pod {_name(pod)}: {said(scheduled)}. Add or free a node, or ask for less with "
            f"{subject.room}.",
            hopeless=False,
        )


def _containers(pod: Object, subject: Subject) -> Iterator[Obstacle]:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state, last = container.get("state") or {}, container.get("lastState") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        reason = waiting.get("reason", "")
        if reason in NO_IMAGE:
            text = f"The image {container['image']} cannot be pulled ({reason}): {said(waiting)}."
            yield Obstacle(kind="Image", text=text)
        elif reason in NO_CONTAINER:
            text = f"The container {container['name']} of {_name(pod)} cannot start: {said(waiting)}."
            yield Obstacle(kind="Container", text=text)
        elif ended and ended.get("exitCode") != 0 and not container.get("ready"):
            yield _crash(pod, container, ended, subject, restarted="terminated" not in state)


def _crash(pod: Object, container: Object, ended: Object, subject: Subject, *, restarted: bool) -> Obstacle:
    code, why, name = ended.get("exitCode"), ended.get("reason", "Error"), container["name"]
    of = f"{_name(pod)} ended with {code}" + (f" ({why})" if why != "Error" else "")
    if name in subject.containers:
        text = f"{subject.containers[name]}: {name} of {of}."
    elif why == "OOMKilled":
        text = f"The {subject.noun} needs more memory than it may have: {name} of {of}. Raise {subject.memory}."
    else:
        text = f"{subject.crash}: {name} of {of}."
    return Obstacle(
        kind="Crash", text=text, pod=_name(pod), container=name, restarted=restarted,
        ended_at=str(ended.get("finishedAt") or ""),
    )  # fmt: skip


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])
