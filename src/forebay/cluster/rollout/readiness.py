"""Whether an InferenceService serves a version, and what keeps it from serving, read from objects alone."""

from collections.abc import Iterator, Sequence

from forebay.kube.pod_problems import (
    Object,
    PodProblem,
    WorkloadTerms,
    find_condition,
    find_pod_problems,
    find_rejected_pods,
    message_of,
)

SERVICE_LABEL = "serving.kserve.io/inferenceservice"  # KServe sets it on every pod of a service
KSERVE_FAILED = "InternalError"  # reason of KServe's event about an object that it could not create
REJECTED = " is invalid: "  # the API server says so about an object that it will refuse again
OUTDATED = "the object has been modified"  # KServe tries again at once
INITIALIZER = "storage-initializer"  # KServe's container that fetches the model
TERMS = WorkloadTerms(
    noun="server",
    crash="The server does not stay up",
    size_settings="deploy.gpus and deploy.memory",
    memory_setting="deploy.memory",
    crash_by_container={INITIALIZER: "The model could not be fetched from its storageUri"},
)


def is_serving(service: Object, pods: Sequence[Object], labels: Object) -> bool:
    """Whether the service is ready and every pod that answers has the labels of the wanted rollout.

    The condition Ready alone says too little: while pods are replaced one after the other, the old ones keep it true.
    observedGeneration does not help: KServe does not update it where nothing else of the status changes (seen with
    0.20).
    """
    living = [pod for pod in pods if is_alive(pod)]
    wanted = [pod for pod in living if has_labels(pod, labels)]
    return (
        _is_true(service, "Ready")
        and not _is_invalid(service)
        and bool(wanted)
        and len(wanted) == len(living)
        and all(_is_true(pod, "Ready") for pod in wanted)
    )


def is_alive(pod: Object) -> bool:
    """Whether a pod is not ending; a pod that was evicted or whose node went remains as an object."""
    over = (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")
    return not over and not pod["metadata"].get("deletionTimestamp")


def has_labels(pod: Object, labels: Object) -> bool:
    """Whether a pod has all of these labels."""
    found = pod["metadata"].get("labels") or {}
    return all(found.get(key) == value for key, value in labels.items())


def find_problem(
    service: Object, pods: Sequence[Object], events: Sequence[Object], labels: Object
) -> PodProblem | None:
    """The first known problem of a rollout, or None.

    Args:
        service: the InferenceService.
        pods: the service's pods.
        events: events of its namespace.
        labels: labels of the pods that should come up.
    """
    wanted = [pod for pod in pods if has_labels(pod, labels) and is_alive(pod)]
    name = service["metadata"]["name"]
    rejected: list[PodProblem] = []
    if not wanted:
        rejected = [*find_rejected_pods(events, f"{name}-predictor", TERMS), *_rejected_objects(events, name)]
    return next(iter((*find_pod_problems(wanted, TERMS), *rejected, *_kserve_problems(service))), None)


def kserve_failure_selector(name: str = "") -> str:
    """The field selector of KServe's events about objects that it could not create, for one service or for all."""
    of_one = f",involvedObject.name={name}" if name else ""
    return f"reason={KSERVE_FAILED},involvedObject.kind=InferenceService{of_one}"


def _rejected_objects(events: Sequence[Object], name: str) -> Iterator[PodProblem]:
    """Objects of KServe that the API server rejects, such as a Deployment with limits below its requests."""
    for event in events:
        about, message = event.get("involvedObject") or {}, message_of(event)
        of_service = (event.get("reason"), about.get("kind"), about.get("name"))
        if of_service != (KSERVE_FAILED, "InferenceService", name) or OUTDATED in message:
            continue
        text = (
            f"KServe cannot make what the server needs: {message}. See {TERMS.size_settings}, and serving in the "
            "values of the chart."
        )
        yield PodProblem(kind="Rejected", text=text, is_permanent=REJECTED in message)


def _is_invalid(service: Object) -> bool:
    return bool(_model_status(service).get("transitionStatus") == "InvalidSpec")


def _model_status(service: Object) -> Object:
    status: Object = (service.get("status") or {}).get("modelStatus") or {}
    return status


def _is_true(found: Object, kind: str) -> bool:
    return find_condition(found, kind).get("status") == "True"


def _kserve_problems(service: Object) -> Iterator[PodProblem]:
    """What KServe itself reports, such as a missing runtime; it keeps a failure on record after it is over."""
    failure = _model_status(service).get("lastFailureInfo") or {}
    if failure and _is_invalid(service):
        text = f"KServe cannot use the object ({failure.get('reason')}): {message_of(failure)}."
        yield PodProblem(kind="KServe", text=text)
