"""Checks of rights: what the steps' service account and this person may do, as the API server itself judges it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.place import CONFIG_MAPS, MODELS, OURS, Place, guarded
from forebay.cluster.rollout import access
from forebay.cluster.spark.access import STEP_ACCESS
from forebay.cluster.training import train_job
from forebay.kube.access import single_rights
from forebay.kube.client import ApiError
from forebay.kube.one_shot_pod import ACCOUNT
from forebay.kube.resource_types import INFERENCE_SERVICES, Object, ResourceType
from forebay.settings.cluster_environment import SPARK_ACCOUNT, STEP_ENVIRONMENT
from forebay.settings.namespaces import PIPELINES, PLATFORM

OF_ACCOUNT = f"system:serviceaccount:{PIPELINES}:{ACCOUNT}"
OWN_REVIEWS = ResourceType("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
REVIEWS = ResourceType("authorization.k8s.io", "v1", "subjectaccessreviews")


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource in one namespace."""

    namespace: str
    group: str  # API group; empty for the core one
    resource: str  # with its part, such as pods/log
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} in {self.namespace}"

    def attributes(self) -> Object:
        """As a review asks for it."""
        resource, _, part = self.resource.partition("/")
        asked = {"namespace": self.namespace, "group": self.group, "resource": resource, "verb": self.verb}
        return {**asked, "subresource": part} if part else asked


def _rights(namespace: str, group: str, table: Mapping[str, tuple[str, ...]]) -> Iterator[Right]:
    return (Right(namespace, group, resource, verb) for resource, verbs in table.items() for verb in verbs)


# What `kubectl port-forward service/…` does, by which people reach the UI, MLflow and a model.
FORWARD = {"services": ("get",), "pods": ("get", "list"), "pods/portforward": ("create",)}
# What sends a pod on an errand: the probe of this command, and `forebay rollback --cluster`.
ERRAND = {"pods": ("create", "get", "list", "watch", "delete"), "pods/log": ("get",)}
OF_PERSON = frozenset(
    (
        *(right for namespace in OURS for right in _rights(namespace, "", FORWARD)),
        *_rights(PIPELINES, "", ERRAND),
        *_rights(PLATFORM, "apps", {"deployments": ("get",)}),  # whose image tells where that pod's is
        *_rights(MODELS, "", {"pods/log": ("get",), "events": ("list",)}),
        *_rights(MODELS, INFERENCE_SERVICES.group, {INFERENCE_SERVICES.plural: ("get", "list")}),
    )
)
# Argo's container beside each step reports by it.
REPORT = {"workflowtaskresults": ("create", "patch")}
# What an ingest with executors does, where the chart lets it (spark.enabled).
OF_EXECUTORS = frozenset(Right(PIPELINES, *right) for right in single_rights(STEP_ACCESS))
# What a training on several machines does (trainer.enabled).
OF_MACHINES = frozenset(Right(PIPELINES, *right) for right in train_job.rights())
TRAINING_RUNTIMES = ResourceType(train_job.TRAIN_JOBS.group, train_job.TRAIN_JOBS.version, "trainingruntimes")
OF_STEPS = frozenset(
    (
        *(Right(MODELS, *right) for right in access.rights()),
        *_rights(PIPELINES, "argoproj.io", REPORT),
    )
)


def rights(place: Place) -> Iterator[CheckResult]:
    """The service account's, then the person's own."""
    yield guarded("step rights", partial(_of_steps, place))
    yield guarded("your rights", partial(_of_person, place))


def _of_steps(place: Place) -> CheckResult:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{PIPELINES}", "system:authenticated")
    wanted = OF_STEPS
    if SPARK_ACCOUNT in (place.api.data_keys(CONFIG_MAPS, PIPELINES, STEP_ENVIRONMENT) or ()):
        wanted |= OF_EXECUTORS
    if _has_training_runtime(place):
        wanted |= OF_MACHINES
    missing = _denied(place, REVIEWS, wanted, {"user": OF_ACCOUNT, "groups": groups})
    if not missing:
        return passed("step rights", f"{PIPELINES}/{ACCOUNT} may do all that steps do in {MODELS} and {PIPELINES}")
    return failed(
        "step rights",
        f"{PIPELINES}/{ACCOUNT} may not {_words(missing)}",
        f"The chart's RoleBinding forebay-deployer in {MODELS} and that of Kubeflow Pipelines in {PIPELINES} grant it: "
        f"{place.up} installs them again.",
    )


def _has_training_runtime(place: Place) -> bool:
    """Whether the chart brought it, which it does together with the rights."""
    try:
        return place.api.find(TRAINING_RUNTIMES, PIPELINES, train_job.TRAINING_RUNTIME) is not None
    except ApiError as error:
        if error.status == 403:
            return False  # the rights may be there all the same; they are not asked for
        raise


def _of_person(place: Place) -> CheckResult:
    name = place.api.user_name()
    missing = _denied(place, OWN_REVIEWS, OF_PERSON, {})
    if not missing:
        return passed("your rights", f"{name} may look, forward ports and run the probe in {', '.join(OURS)}")
    commands = ", ".join(_grants(place, name, missing))
    return failed(
        "your rights",
        f"{name} may not {_words(missing)}",
        f"Have an administrator of the cluster grant exactly that: {commands}.",
    )


def _denied(place: Place, kind: ResourceType, wanted: Iterable[Right], who: Object) -> list[Right]:
    return [right for right in sorted(wanted) if not _allowed(place, kind, right, who)]


def _allowed(place: Place, kind: ResourceType, right: Right, who: Object) -> bool:
    review = {"spec": {**who, "resourceAttributes": right.attributes()}}
    return bool(place.api.create(kind, review)["status"].get("allowed"))


def _words(missing: Iterable[Right]) -> str:
    return ", ".join(map(str, missing))


def _grants(place: Place, name: str, missing: Iterable[Right]) -> Iterator[str]:
    """A role for each set of verbs: one for all would grant every verb on every resource."""
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for right in missing:
        verbs[right.namespace, f"{right.resource}{f'.{right.group}' if right.group else ''}"].append(right.verb)
    resources: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (namespace, resource), words in verbs.items():
        resources[namespace, ",".join(words)].append(resource)
    for at, ((namespace, verb), of) in enumerate(resources.items(), 1):
        role = f"forebay-person-{at}"
        yield place.kubectl(f"create role {role} --namespace {namespace} --verb {verb} --resource {','.join(of)}")
        yield place.kubectl(f"create rolebinding {role} --namespace {namespace} --role {role} --user {name}")
