"""The TrainJob of Kubeflow Trainer's that trains on several machines, as pure data, and what became of it."""

from dataclasses import dataclass, field
from typing import Any

from forebay.kube.access import of_job, single_rights
from forebay.kube.client import Resource
from forebay.kube.environment import variables as given_variables
from forebay.kube.followed_resource import Job, Verdict
from forebay.kube.labels import component_labels
from forebay.kube.pod_problems import Subject
from forebay.settings.cluster_environment import CHECKPOINT_STORE, MLFLOW, MLFLOW_LOGIN, STORE, STORE_KEYS
from forebay.settings.environment import HOME_VARIABLE

Object = dict[str, Any]
TRAIN_JOBS = Resource("trainer.kubeflow.org", "v1alpha1", "trainjobs")
API_VERSION = f"{TRAIN_JOBS.group}/{TRAIN_JOBS.version}"
TRAINING_RUNTIME = "forebay-train"  # the TrainingRuntime that the chart brings: pods under Pod Security restricted
PLAIN = (CHECKPOINT_STORE, *MLFLOW, *STORE)
SECRET = (*MLFLOW_LOGIN, *STORE_KEYS)
SUBJECT = Subject(
    noun="training",
    crash="A machine of the training failed",
    room="train.nodes, train.node_memory and train.node_gpus",
    memory="train.node_memory",
)


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """What trains where."""

    name: str
    namespace: str
    image: str
    arguments: tuple[str, ...]  # of forebay.train.nodes
    nodes: int
    gpus: int
    gpu_resource: str
    memory: str
    timeout_s: int
    variables: dict[str, str] = field(default_factory=dict)  # by value; no secrets


def train_job(wanted: Nodes) -> Object:
    """Build the object; its pods' security, and how often they are started again, are the runtime's."""
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
            "activeDeadlineSeconds": wanted.timeout_s,  # also where no step is left that would end it
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


def job(wanted: Nodes) -> Job:
    """The object with all that is needed to follow it."""
    return Job(
        resource=TRAIN_JOBS,
        wanted=train_job(wanted),
        verdict=verdict,
        pods=f"jobset.sigs.k8s.io/jobset-name={wanted.name}",  # Trainer makes a JobSet of the same name
        pods_wanted=wanted.nodes,
        subject=SUBJECT,
        piece="trainer",
        switch="trainer.enabled",
    )


def verdict(found: Object) -> Verdict | None:
    """Whether a TrainJob is complete or failed, from its conditions."""
    conditions = (found.get("status") or {}).get("conditions") or []
    for each in conditions:
        if each.get("status") == "True" and each["type"] in ("Complete", "Failed"):
            said = ": ".join(filter(None, (each.get("reason"), each.get("message"))))
            return Verdict(succeeded=each["type"] == "Complete", reason=said)
    return None


def rights() -> frozenset[tuple[str, str, str]]:
    """What the train step asks of the API server in its own namespace: API group, resource, verb."""
    return single_rights(of_job(TRAIN_JOBS.group, TRAIN_JOBS.plural))


def _environment(variables: dict[str, str]) -> list[Object]:
    return [
        {"name": HOME_VARIABLE, "value": "/tmp/forebay"},  # noqa: S108 - the one folder that a pod may write
        *({"name": name, "value": value} for name, value in sorted(variables.items())),
        *given_variables(PLAIN, SECRET),
    ]


def _resources(wanted: Nodes) -> Object:
    gpus = {wanted.gpu_resource: str(wanted.gpus)} if wanted.gpus else {}
    requests = {"cpu": "250m", "memory": wanted.memory, **gpus}  # what has to be free; CPU has no limit, as in steps
    return {"requests": requests, "limits": {"memory": wanted.memory, **gpus}}
