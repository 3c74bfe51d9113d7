"""What a check returns, and the pods that a set of objects makes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One fault: in which object, in which field, against which rule."""

    where: str
    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: {self.rule}"


@dataclass(frozen=True)
class Pod:
    """What something makes pods of, or what is known of pods that something outside the set makes."""

    where: str
    namespace: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    path: str = "spec"


def where(each: Object) -> str:
    """An object in words: kind, namespace and name."""
    return f"{each.get('kind')} {namespace(each)}/{each.get('metadata', {}).get('name')}".replace(" /", " ")


def namespace(each: Object) -> str:
    """Its namespace; empty for what belongs to the whole cluster or leaves it to the client."""
    return str(each.get("metadata", {}).get("namespace", ""))


def pods(objects: list[Object]) -> Iterator[Pod]:
    """Every pod template: of core workloads, and of the kinds of KServe and Trainer that hold one."""
    for each in objects:
        found = _TEMPLATES.get(each["kind"], _no_template)(each)
        if found is not None:
            metadata, spec, path = _without_nulls(found)
            yield Pod(where(each), namespace(each), metadata.get("labels", {}), spec, path)


def containers(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and container, those that run before the others included."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.spec.get(key, []):
            yield f"{pod.path}.{key}[{container.get('name')}]", container
    if "model" in pod.spec:
        yield f"{pod.path}.model", pod.spec["model"]


def _without_nulls(value: Any) -> Any:
    """A field that is null is not there, says Kubernetes."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return type(value)(_without_nulls(each) for each in value)
    return value


_Found = tuple[Object, Object, str] | None


def _no_template(each: Object) -> _Found:
    return None


def _pod(each: Object) -> _Found:
    return each["metadata"], each["spec"], "spec"


def _template(each: Object, path: str = "spec") -> _Found:
    template = each.get("spec", {}).get("template", {})
    if "spec" not in template:
        return None  # a fault, which the schema names
    return template.get("metadata", {}), template["spec"], f"{path}.template.spec"


def _training_runtime(each: Object) -> _Found:
    (job,) = each["spec"]["template"]["spec"]["replicatedJobs"]
    return _template(job["template"], "spec.template.spec.replicatedJobs[0].template.spec")


def _cron_job(each: Object) -> _Found:
    return _template(each["spec"]["jobTemplate"], "spec.jobTemplate.spec")


def _runtime(each: Object) -> _Found:
    return {}, each["spec"], "spec"


def _inference_service(each: Object) -> _Found:
    return {}, each["spec"]["predictor"], "spec.predictor"


_TEMPLATES = {
    "Pod": _pod,
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), _template),
    "CronJob": _cron_job,
    "TrainingRuntime": _training_runtime,
    **dict.fromkeys(("ServingRuntime", "ClusterServingRuntime"), _runtime),
    "InferenceService": _inference_service,
}
