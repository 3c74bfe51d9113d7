"""What a cluster serves: every model's InferenceService, and whether it answers or what keeps it from that."""

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.cluster.rollout.inference_service import VERSION_LABEL, marks
from forebay.cluster.rollout.readiness import SERVICE_LABEL, has, lives, obstacle, of_kserve, serves
from forebay.cluster.rollout.rollout import service_url
from forebay.kube.client import EVENTS, INFERENCE_SERVICES, PODS, Api, ApiError, Object, Resource
from forebay.kube.labels import DOMAIN, MANAGED_BY_US
from forebay.kube.pod_problems import condition, said
from forebay.serving.client import predict_url

ANSWERS, WAITS = "answers", "does not answer"
OLD_ANSWERS = "partly, or an earlier version, answers"


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """One InferenceService of ours."""

    name: str
    version: str  # that is wanted
    state: str
    reason: str  # why it does not answer; empty where it does
    url: str  # of the V1 predict path inside the cluster
    ready_pods: int | None  # None where a person may not look at pods
    wanted_pods: int
    run_id: str  # of Kubeflow Pipelines, that deployed it; or what else did
    code_version: str
    weights_sha256: str


def served_models(api: Api, namespace: str) -> list[ServedModel]:
    """Every model of ours in a namespace, by name.

    Raises:
        ApiError: the server refuses, or has no InferenceServices.
    """
    services = api.all(INFERENCE_SERVICES, namespace, labelSelector=MANAGED_BY_US)
    pods = _seen(api, PODS, namespace, labelSelector=SERVICE_LABEL)
    selectors = ("reason=FailedCreate", of_kserve())
    events = [each for selector in selectors for each in _seen(api, EVENTS, namespace, fieldSelector=selector) or []]
    found = [_model(service, pods, events) for service in services]
    return sorted(found, key=lambda model: model.name)


def _seen(api: Api, resource: Resource, namespace: str, **selectors: str) -> list[Object] | None:
    """Objects that say more, or None where a person may not look at them."""
    try:
        return api.all(resource, namespace, **selectors)
    except ApiError as error:
        if error.status != 403:
            raise
        return None


def _model(service: Object, all_pods: list[Object] | None, events: Sequence[Object]) -> ServedModel:
    metadata = service["metadata"]
    name, annotations = metadata["name"], metadata.get("annotations") or {}
    version = str((metadata.get("labels") or {}).get(VERSION_LABEL, ""))
    pods = [each for each in all_pods or () if each["metadata"]["labels"].get(SERVICE_LABEL) == name and lives(each)]
    ready = condition(service, "Ready")
    answers = ready.get("status") == "True" if all_pods is None else serves(service, pods, marks(service))
    found = None if answers else obstacle(service, pods, events, marks(service))
    reason = "" if answers else found.text if found else f"{said(ready)}." if ready else "KServe has not seen it yet."
    return ServedModel(
        name=name,
        version=version,
        state=ANSWERS if answers else OLD_ANSWERS if any(map(_is_ready, pods)) else WAITS,
        reason=reason,
        url=predict_url(service_url(service), name),
        ready_pods=None if all_pods is None else sum(_is_ready(each) and has(each, marks(service)) for each in pods),
        wanted_pods=int(service["spec"]["predictor"].get("minReplicas", 1)),
        run_id=str(annotations.get(f"{DOMAIN}/run-id", "")),
        code_version=str(annotations.get(f"{DOMAIN}/code-version", "")),
        weights_sha256=str(annotations.get(f"{DOMAIN}/weights-sha256", "")),
    )


def _is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"
