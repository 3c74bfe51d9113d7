"""Whether an InferenceService serves a version, and what keeps it from that, read from objects alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forebay.deploy.inference_service import VERSION_LABEL

Object = Mapping[str, Any]
SERVICE_LABEL = "serving.kserve.io/inferenceservice"  # KServe's, on every pod of one
INITIALIZER = "storage-initializer"  # KServe's container that fetches the model
NO_IMAGE = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Why a version does not come up."""

    kind: str  # the same for as long as it is the same one; the text may name another pod each time
    text: str
    hopeless: bool = True  # waiting alone does not mend it; a cluster that grows may have room in a minute
    pod: str = ""  # whose log says more
    container: str = ""
    restarted: bool = False  # the log is that of the container before


def serves(service: Object, pods: Sequence[Object], version: str) -> bool:
    """Whether the service is ready and every pod that answers has the version.

    Ready alone says too little: while pods are replaced one after the other, the old ones keep it true. Nor does
    observedGeneration help: KServe leaves it behind where nothing else of the status changes (seen with 0.20).
    """
    living = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    right = [pod for pod in living if _version(pod) == version]
    return (
        _is_true(service, "Ready")
        and not _is_invalid(service)
        and bool(right)
        and len(right) == len(living)
        and all(_is_true(pod, "Ready") for pod in right)
    )


def obstacle(service: Object, pods: Sequence[Object], events: Sequence[Object], version: str) -> Obstacle | None:
    """The first thing that is in the way, or None where nothing is known to be.

    Args:
        service: the InferenceService.
        pods: of it.
        events: of its namespace.
        version: that is to come up.
    """
    mine = [pod for pod in pods if _version(pod) == version and not pod["metadata"].get("deletionTimestamp")]
    for pod in mine:
        for found in (*_scheduling(pod), *_containers(pod)):
            return found
    name = service["metadata"]["name"]
    found_in = (*_refused_pods(events, name), *_model(service)) if not mine else _model(service)
    return next(iter(found_in), None)


def _is_invalid(service: Object) -> bool:
    return bool(_model_status(service).get("transitionStatus") == "InvalidSpec")


def _model_status(service: Object) -> Object:
    status: Object = (service.get("status") or {}).get("modelStatus") or {}
    return status


def _is_true(each: Object, kind: str) -> bool:
    return _condition(each, kind).get("status") == "True"


def _condition(each: Object, kind: str) -> Object:
    conditions: list[Object] = (each.get("status") or {}).get("conditions") or []
    return next((found for found in conditions if found["type"] == kind), {})


def _version(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(VERSION_LABEL, ""))


def _scheduling(pod: Object) -> Iterator[Obstacle]:
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield Obstacle(
            kind="Unschedulable",
            text=f"No node takes the pod {_name(pod)}: {_said(scheduled)}. Add or free a node, or ask for less with "
            "deploy.gpus and deploy.memory.",
            hopeless=False,
        )


def _containers(pod: Object) -> Iterator[Obstacle]:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state, last = container.get("state") or {}, container.get("lastState") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        reason = waiting.get("reason", "")
        if reason in NO_IMAGE:
            text = f"The image {container['image']} cannot be pulled ({reason}): {_said(waiting)}."
            yield Obstacle(kind="Image", text=text)
        elif reason in NO_CONTAINER:
            text = f"The container {container['name']} of {_name(pod)} cannot start: {_said(waiting)}."
            yield Obstacle(kind="Container", text=text)
        elif ended and ended.get("exitCode") != 0 and not container.get("ready"):
            yield _crash(pod, container, ended, restarted="terminated" not in state)


def _crash(pod: Object, container: Object, ended: Object, *, restarted: bool) -> Obstacle:
    code, why = ended.get("exitCode"), ended.get("reason", "Error")
    of = f"{_name(pod)} ended with {code}" + (f" ({why})" if why != "Error" else "")
    if container["name"] == INITIALIZER:
        text = f"The model could not be fetched from its storageUri: {INITIALIZER} of {of}."
    elif why == "OOMKilled":
        text = f"The server needs more memory than it may have: {container['name']} of {of}. Raise deploy.memory."
    else:
        text = f"The server does not stay up: {container['name']} of {of}."
    return Obstacle(kind="Crash", text=text, pod=_name(pod), container=container["name"], restarted=restarted)


def _refused_pods(events: Sequence[Object], name: str) -> Iterator[Obstacle]:
    """Pods that the API server never let be made: quota, Pod Security, an absent service account."""
    refused = [
        event
        for event in events
        if event.get("reason") == "FailedCreate"
        and str((event.get("involvedObject") or {}).get("name", "")).startswith(f"{name}-predictor")
    ]
    for event in sorted(refused, key=_when, reverse=True)[:1]:
        yield Obstacle(kind="Refused", text=f"The cluster refuses the server's pod: {_said(event)}.")


def _model(service: Object) -> Iterator[Obstacle]:
    """What KServe itself says, such as a runtime that is not there; a failure stays on record when it is over."""
    failure = _model_status(service).get("lastFailureInfo") or {}
    if failure and _is_invalid(service):
        text = f"KServe cannot use the object ({failure.get('reason')}): {_said(failure)}."
        yield Obstacle(kind="KServe", text=text)


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _name(each: Object) -> str:
    return str(each["metadata"]["name"])


def _said(each: Object) -> str:
    return str(each.get("message") or each.get("reason") or "no reason given").strip().rstrip(".")
