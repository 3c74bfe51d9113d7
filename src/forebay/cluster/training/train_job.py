"""The TrainJob of Kubeflow Trainer that trains on several machines, as pure data, and how it ended."""

from dataclasses import dataclass, field

from forebay.kube.access import job_access, single_rights
from forebay.kube.custom_job import CustomJob, JobOutcome
from forebay.kube.environment import variables_from_chart
from forebay.kube.labels import component_labels
from forebay.kube.pod_problems import WorkloadTerms
from forebay.kube.resource_types import Object, ResourceType
from forebay.settings.cluster_environment import (
    CHECKPOINT_STORE,
    MLFLOW_ADDRESS_KEYS,
    MLFLOW_LOGIN_KEYS,
    STORE_ADDRESS_KEYS,
    STORE_LOGIN_KEYS,
    WEIGHTS_STORE,
)
from forebay.settings.environment import HOME_VARIABLE

TRAIN_JOBS = ResourceType("trainer.kubeflow.org", "v1alpha1", "trainjobs")
API_VERSION = f"{TRAIN_JOBS.group}/{TRAIN_JOBS.version}"
TRAINING_RUNTIME = "forebay-train"  # the TrainingRuntime that the chart brings: pods under Pod Security restricted
CONTAINER = "node"  # Kubeflow Trainer's name, which the runtime has too
CONFIG_KEYS = (CHECKPOINT_STORE, WEIGHTS_STORE, *MLFLOW_ADDRESS_KEYS, *STORE_ADDRESS_KEYS)
SECRET_KEYS = (*MLFLOW_LOGIN_KEYS, *STORE_LOGIN_KEYS)
TERMS = WorkloadTerms(
    noun="training",
    crash="A machine of the training failed",
    size_settings="train.nodes, train.node_memory and train.node_gpus",
    memory_setting="train.node_memory",
)


@dataclass(frozen=True, kw_only=True)
class TrainingNodes:
    """The machines of one training, and what they run."""

    name: str
    namespace: str
    image: str
    arguments: tuple[str, ...]  # for forebay.train.nodes
    nodes: int
    gpus: int
    gpu_resource: str
    memory: str
    limit_s: int
    variables: dict[str, str] = field(default_factory=dict)  # their values are readable in the object, so no secrets


def train_job(wanted: TrainingNodes) -> Object:
    """Build the object; the runtime sets its pods' security and how often they are started again."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TrainJob",
        "metadata": {
            "name": wanted.name,
            "namespace": wanted.namespace,
            "labels": component_labels("train"),
        },
        "spec": {
            "runtimeRef": {"apiGroup": TRAIN_JOBS.group, "kind": "TrainingRuntime", "name": TRAINING_RUNTIME},
            "activeDeadlineSeconds": wanted.limit_s,  # the step may be gone before it could end the job
            "trainer": {
                "image": wanted.image,
                "command": ["python3", "-m", "forebay.train.nodes"],
                "args": list(wanted.arguments),
                "env": _environment(wanted.variables),
                "numNodes": wanted.nodes,
                "numProcPerNode": max(1, wanted.gpus),
                "resourcesPerNode": _resources(wanted),
            },
        },
    }


def custom_job(wanted: TrainingNodes) -> CustomJob:
    """The TrainJob as a job to follow."""
    return CustomJob(
        resource=TRAIN_JOBS,
        manifest=train_job(wanted),
        outcome_of=outcome,
        pod_selector=f"jobset.sigs.k8s.io/jobset-name={wanted.name}",  # Trainer creates a JobSet of the same name
        pod_count=wanted.nodes,
        log_container=CONTAINER,
        terms=TERMS,
        installed_by="trainer",
        chart_value="trainer.enabled",
    )


def outcome(found: Object) -> JobOutcome | None:
    """How a TrainJob ended, from its conditions; None while it runs."""
    conditions = (found.get("status") or {}).get("conditions") or []
    for each in conditions:
        if each.get("status") == "True" and each["type"] in ("Complete", "Failed"):
            reason = ": ".join(filter(None, (each.get("reason"), each.get("message"))))
            return JobOutcome(succeeded=each["type"] == "Complete", reason=reason)
    return None


def rights() -> frozenset[tuple[str, str, str]]:
    """What the train step may ask the API server for in its own namespace: API group, resource, verb."""
    return single_rights(job_access(TRAIN_JOBS.group, TRAIN_JOBS.plural))


def _environment(variables: dict[str, str]) -> list[Object]:
    return [
        {"name": HOME_VARIABLE, "value": "/tmp/forebay"},  # noqa: S108 - the one folder that a pod may write
        *({"name": name, "value": value} for name, value in sorted(variables.items())),
        *variables_from_chart(CONFIG_KEYS, SECRET_KEYS),
    ]


def _resources(wanted: TrainingNodes) -> Object:
    gpus = {wanted.gpu_resource: str(wanted.gpus)} if wanted.gpus else {}
    requests = {
        "cpu": "250m",
        "memory": wanted.memory,
        **gpus,
    }  # what a node has to have free; CPU has no limit, as in steps
    return {"requests": requests, "limits": {"memory": wanted.memory, **gpus}}
