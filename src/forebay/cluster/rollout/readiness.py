"""Whether an InferenceService serves a version, and what keeps it from that, read from objects alone."""

from collections.abc import Iterator, Sequence

from forebay.kube.pod_problems import Object, Obstacle, Subject, condition, of_pods, refused_pods, said

SERVICE_LABEL = "serving.kserve.io/inferenceservice"  # KServe's, on every pod of one
KSERVE_FAILED = "InternalError"  # reason of the event by which KServe says that it could not make an object
REJECTED = " is invalid: "  # in the API server's words about that object: it will refuse it again
OUTDATED = "the object has been modified"  # KServe tries again at once
INITIALIZER = "storage-initializer"  # KServe's container that fetches the model
SUBJECT = Subject(
    noun="server",
    crash="The server does not stay up",
    room="deploy.gpus and deploy.memory",
    memory="deploy.memory",
    containers={INITIALIZER: "The model could not be fetched from its storageUri"},
)


def serves(service: Object, pods: Sequence[Object], marks: Object) -> bool:
    """Whether the service is ready and every pod that answers has the marks of what is wanted.

    Ready alone says too little: while pods are replaced one after the other, the old ones keep it true. Nor does
    observedGeneration help: KServe leaves it behind where nothing else of the status changes (seen with 0.20).
    """
    living = [pod for pod in pods if lives(pod)]
    right = [pod for pod in living if has(pod, marks)]
    return (
        _is_true(service, "Ready")
        and not _is_invalid(service)
        and bool(right)
        and len(right) == len(living)
        and all(_is_true(pod, "Ready") for pod in right)
    )


def lives(pod: Object) -> bool:
    """Whether a pod is not on its way out; one that was evicted, or whose node went, stays as an object."""
    over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
    return not over and not pod["metadata"].get("deletionTimestamp")


def has(pod: Object, marks: Object) -> bool:
    """Whether a pod is one of those."""
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in marks.items())


def obstacle(service: Object, pods: Sequence[Object], events: Sequence[Object], marks: Object) -> Obstacle | None:
    """The first thing that is in the way, or None where nothing is known to be.

    Args:
        service: the InferenceService.
        pods: of it.
        events: of its namespace.
        marks: labels of pods that are to come up.
    """
    mine = [pod for pod in pods if has(pod, marks) and lives(pod)]
    name = service["metadata"]["name"]
    refused = [] if mine else [*refused_pods(events, f"{name}-predictor", SUBJECT), *_refused_objects(events, name)]
    return next(iter((*of_pods(mine, SUBJECT), *refused, *_model(service))), None)


def of_kserve(name: str = "") -> str:
    """The field selector of events by which KServe says that it could not make what a service, or any, needs."""
    of_one = f",involvedObject.name={name}" if name else ""
    return f"reason={KSERVE_FAILED},involvedObject.kind=InferenceService{of_one}"


def _refused_objects(events: Sequence[Object], name: str) -> Iterator[Obstacle]:
    """What the API server refuses of what KServe makes, such as a Deployment with limits below its requests."""
    for event in events:
        about, words = event.get("involvedObject") or {}, said(event)
        of_service = (event.get("reason"), about.get("kind"), about.get("name"))
        if of_service != (KSERVE_FAILED, "InferenceService", name) or OUTDATED in words:
            continue
        text = (
            f"KServe cannot make what the server needs: {words}. See {SUBJECT.room}, and serving in the values of the "
            "chart."
        )
        yield Obstacle(kind="Rejected", text=text, hopeless=REJECTED in words)


def _is_invalid(service: Object) -> bool:
    return bool(_model_status(service).get("transitionStatus") == "InvalidSpec")


def _model_status(service: Object) -> Object:
    status: Object = (service.get("status") or {}).get("modelStatus") or {}
    return status


def _is_true(each: Object, kind: str) -> bool:
    return condition(each, kind).get("status") == "True"


def _model(service: Object) -> Iterator[Obstacle]:
    """What KServe itself says, such as a runtime that is not there; a failure stays on record when it is over."""
    failure = _model_status(service).get("lastFailureInfo") or {}
    if failure and _is_invalid(service):
        text = f"KServe cannot use the object ({failure.get('reason')}): {said(failure)}."
        yield Obstacle(kind="KServe", text=text)
