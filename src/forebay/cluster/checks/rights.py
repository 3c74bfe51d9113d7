"""Checks of rights: what the API server lets the steps' service account and this person do."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.inspected_cluster import (
    CONFIG_MAPS,
    MODELS,
    PLATFORM_NAMESPACES,
    InspectedCluster,
    run_check,
)
from forebay.cluster.rollout import access
from forebay.cluster.spark.access import STEP_ACCESS
from forebay.cluster.training import train_job
from forebay.kube.access import single_rights
from forebay.kube.client import ApiError
from forebay.kube.one_shot_pod import ACCOUNT
from forebay.kube.resource_types import INFERENCE_SERVICES, Object, ResourceType
from forebay.settings.cluster_environment import SPARK_ACCOUNT, STEP_ENVIRONMENT
from forebay.settings.namespaces import PIPELINES, PLATFORM

STEP_USER = f"system:serviceaccount:{PIPELINES}:{ACCOUNT}"
SELF_REVIEWS = ResourceType("authorization.k8s.io", "v1", "selfsubjectaccessreviews")
SUBJECT_REVIEWS = ResourceType("authorization.k8s.io", "v1", "subjectaccessreviews")


@dataclass(frozen=True, order=True)
class AccessRight:
    """One verb on one resource in one namespace."""

    namespace: str
    group: str  # API group; empty for the core one
    resource: str  # with its subresource, such as pods/log
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} in {self.namespace}"

    def attributes(self) -> Object:
        """The attributes of an access review for it."""
        resource, _, subresource = self.resource.partition("/")
        attributes = {"namespace": self.namespace, "group": self.group, "resource": resource, "verb": self.verb}
        return {**attributes, "subresource": subresource} if subresource else attributes


def _rights(namespace: str, group: str, table: Mapping[str, tuple[str, ...]]) -> Iterator[AccessRight]:
    return (AccessRight(namespace, group, resource, verb) for resource, verbs in table.items() for verb in verbs)


# For `kubectl port-forward service/…`, with which people reach the UI, MLflow and a model:
PORT_FORWARD = {"services": ("get",), "pods": ("get", "list"), "pods/portforward": ("create",)}
# For a one-shot pod, which the probe of this command and `forebay rollback --cluster` make:
ONE_SHOT_POD = {"pods": ("create", "get", "list", "watch", "delete"), "pods/log": ("get",)}
PERSON_RIGHTS = frozenset(
    (
        *(right for namespace in PLATFORM_NAMESPACES for right in _rights(namespace, "", PORT_FORWARD)),
        *_rights(PIPELINES, "", ONE_SHOT_POD),
        *_rights(PLATFORM, "apps", {"deployments": ("get",)}),  # whose image shows which registry holds that pod's
        *_rights(MODELS, "", {"pods/log": ("get",), "events": ("list",)}),
        *_rights(MODELS, INFERENCE_SERVICES.group, {INFERENCE_SERVICES.plural: ("get", "list")}),
    )
)
# For the report of Argo's container beside each step:
ARGO_REPORT = {"workflowtaskresults": ("create", "patch")}
# For an ingest with executors (spark.enabled):
SPARK_RIGHTS = frozenset(AccessRight(PIPELINES, *right) for right in single_rights(STEP_ACCESS))
# For a training on several machines (trainer.enabled):
TRAINER_RIGHTS = frozenset(AccessRight(PIPELINES, *right) for right in train_job.rights())
TRAINING_RUNTIMES = ResourceType(train_job.TRAIN_JOBS.group, train_job.TRAIN_JOBS.version, "trainingruntimes")
STEP_RIGHTS = frozenset(
    (
        *(AccessRight(MODELS, *right) for right in access.rights()),
        *_rights(PIPELINES, "argoproj.io", ARGO_REPORT),
    )
)


def rights_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """The service account's rights, then the person's own."""
    yield run_check("step rights", partial(_step_rights, cluster))
    yield run_check("your rights", partial(_person_rights, cluster))


def _step_rights(cluster: InspectedCluster) -> CheckResult:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{PIPELINES}", "system:authenticated")
    wanted = STEP_RIGHTS
    if SPARK_ACCOUNT in (cluster.api.data_keys(CONFIG_MAPS, PIPELINES, STEP_ENVIRONMENT) or ()):
        wanted |= SPARK_RIGHTS
    if _has_training_runtime(cluster):
        wanted |= TRAINER_RIGHTS
    missing = _denied(cluster, SUBJECT_REVIEWS, wanted, {"user": STEP_USER, "groups": groups})
    if not missing:
        return passed("step rights", f"{PIPELINES}/{ACCOUNT} may do all that steps do in {MODELS} and {PIPELINES}")
    return failed(
        "step rights",
        f"{PIPELINES}/{ACCOUNT} may not {_listed(missing)}",
        f"The chart's RoleBinding forebay-deployer in {MODELS} and that of Kubeflow Pipelines in {PIPELINES} grant it: "
        f"{cluster.install_command} installs them again.",
    )


def _has_training_runtime(cluster: InspectedCluster) -> bool:
    """Whether the chart installed the training runtime, and so granted the rights as well."""
    try:
        return cluster.api.find(TRAINING_RUNTIMES, PIPELINES, train_job.TRAINING_RUNTIME) is not None
    except ApiError as error:
        if error.status == 403:
            return False  # the rights may be granted all the same; they are not checked
        raise


def _person_rights(cluster: InspectedCluster) -> CheckResult:
    name = cluster.api.user_name()
    missing = _denied(cluster, SELF_REVIEWS, PERSON_RIGHTS, {})
    if not missing:
        return passed(
            "your rights", f"{name} may read, forward ports and run the probe in {', '.join(PLATFORM_NAMESPACES)}"
        )
    commands = ", ".join(_grant_commands(cluster, name, missing))
    return failed(
        "your rights",
        f"{name} may not {_listed(missing)}",
        f"Have an administrator of the cluster grant exactly that: {commands}.",
    )


def _denied(
    cluster: InspectedCluster, kind: ResourceType, wanted: Iterable[AccessRight], subject: Object
) -> list[AccessRight]:
    return [right for right in sorted(wanted) if not _allowed(cluster, kind, right, subject)]


def _allowed(cluster: InspectedCluster, kind: ResourceType, right: AccessRight, subject: Object) -> bool:
    review = {"spec": {**subject, "resourceAttributes": right.attributes()}}
    return bool(cluster.api.create(kind, review)["status"].get("allowed"))


def _listed(missing: Iterable[AccessRight]) -> str:
    return ", ".join(map(str, missing))


def _grant_commands(cluster: InspectedCluster, name: str, missing: Iterable[AccessRight]) -> Iterator[str]:
    """Commands that grant rights, by a role for each set of verbs: one role for all would grant each verb on all."""
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for right in missing:
        verbs[right.namespace, f"{right.resource}{f'.{right.group}' if right.group else ''}"].append(right.verb)
    resources: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (namespace, resource), allowed in verbs.items():
        resources[namespace, ",".join(allowed)].append(resource)
    for at, ((namespace, verb), granted) in enumerate(resources.items(), 1):
        role = f"forebay-person-{at}"
        yield cluster.kubectl(
            f"create role {role} --namespace {namespace} --verb {verb} --resource {','.join(granted)}"
        )
        yield cluster.kubectl(f"create rolebinding {role} --namespace {namespace} --role {role} --user {name}")
