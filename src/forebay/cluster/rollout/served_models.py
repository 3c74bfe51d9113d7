"""What a cluster serves: every model's InferenceService, whether it answers, and why not."""

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.cluster.rollout.inference_service import VERSION_LABEL, rollout_labels
from forebay.cluster.rollout.readiness import (
    SERVICE_LABEL,
    find_problem,
    has_labels,
    is_alive,
    is_serving,
    kserve_failure_selector,
)
from forebay.cluster.rollout.rollout import service_url
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.labels import DOMAIN, MANAGED_BY_US
from forebay.kube.pod_problems import find_condition, message_of
from forebay.kube.resource_types import EVENTS, INFERENCE_SERVICES, PODS, Object, ResourceType
from forebay.serving.client import predict_url

ANSWERS, WAITS = "answers", "does not answer"
OLD_ANSWERS = "partly, or an earlier version, answers"


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One InferenceService of ours, and whether it answers."""

    name: str
    version: str  # the version that should answer
    state: str
    reason: str  # why the service does not answer; empty where it does
    url: str  # the V1 predict path, inside the cluster
    ready_pods: int | None  # None where a person may not look at pods
    wanted_pods: int
    run_id: str  # the pipeline run that deployed it, or `rollback`
    code_version: str
    weights_sha256: str


def served_models(api: KubeClient, namespace: str) -> list[ModelStatus]:
    """Every model of ours in a namespace, by name.

    Raises:
        ApiError: the server refuses, or has no InferenceServices.
    """
    services = api.list_all(INFERENCE_SERVICES, namespace, labelSelector=MANAGED_BY_US)
    pods = _list_or_none(api, PODS, namespace, labelSelector=SERVICE_LABEL)
    selectors = ("reason=FailedCreate", kserve_failure_selector())
    events = [
        each for selector in selectors for each in _list_or_none(api, EVENTS, namespace, fieldSelector=selector) or []
    ]
    found = [_model_status(service, pods, events) for service in services]
    return sorted(found, key=lambda model: model.name)


def _list_or_none(api: KubeClient, resource: ResourceType, namespace: str, **selectors: str) -> list[Object] | None:
    """The objects, or None where a person may not list them."""
    try:
        return api.list_all(resource, namespace, **selectors)
    except ApiError as error:
        if error.status != 403:
            raise
        return None


def _model_status(service: Object, all_pods: list[Object] | None, events: Sequence[Object]) -> ModelStatus:
    metadata = service["metadata"]
    name, annotations = metadata["name"], metadata.get("annotations") or {}
    version = str((metadata.get("labels") or {}).get(VERSION_LABEL, ""))
    pods = [each for each in all_pods or () if each["metadata"]["labels"].get(SERVICE_LABEL) == name and is_alive(each)]
    ready = find_condition(service, "Ready")
    answers = ready.get("status") == "True" if all_pods is None else is_serving(service, pods, rollout_labels(service))
    problem = None if answers else find_problem(service, pods, events, rollout_labels(service))
    unready = f"{message_of(ready)}." if ready else "KServe has not seen it yet."
    reason = "" if answers else problem.text if problem else unready
    return ModelStatus(
        name=name,
        version=version,
        state=ANSWERS if answers else OLD_ANSWERS if any(map(_is_ready, pods)) else WAITS,
        reason=reason,
        url=predict_url(service_url(service), name),
        ready_pods=None
        if all_pods is None
        else sum(_is_ready(each) and has_labels(each, rollout_labels(service)) for each in pods),
        wanted_pods=int(service["spec"]["predictor"].get("minReplicas", 1)),
        run_id=str(annotations.get(f"{DOMAIN}/run-id", "")),
        code_version=str(annotations.get(f"{DOMAIN}/code-version", "")),
        weights_sha256=str(annotations.get(f"{DOMAIN}/weights-sha256", "")),
    )


def _is_ready(pod: Object) -> bool:
    return find_condition(pod, "Ready").get("status") == "True"
