"""A short-lived pod beside the steps that runs one module with their image, account and environment.

Who sends one deletes it, whatever happens; one that was killed before it could is removed by the next.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forebay import container_images
from forebay.cluster.api import DEPLOYMENTS, PODS, Api, ApiError, Object
from forebay.cluster.ending import Ending
from forebay.cluster.given import variables
from forebay.cluster.namespaces import PIPELINES, PLATFORM
from forebay.cluster.obstacles import Obstacle, Subject, of_pods
from forebay.errors import ClusterError

ACCOUNT = "pipeline-runner"  # that Kubeflow Pipelines runs steps as
ROOM_S = 20.0  # how long a pod that no node takes is waited for
SLICE_S = 2
LINES = 200


class HinderedError(ClusterError):
    """The pod does not come to its end; the message says why."""

    def __init__(self, text: str, obstacle: Obstacle | None = None) -> None:
        super().__init__(text)
        self.obstacle = obstacle  # None where it took too long or is gone


@dataclass(frozen=True)
class Ended:
    """A pod that ran to its end."""

    pod: Object
    lines: list[str]  # the last of its log

    @property
    def lacks_module(self) -> bool:
        """Whether its image holds code of another version, without what it was to run."""
        return any("No module named" in line for line in self.lines[-1:])


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What to run, and what it needs besides what every errand is given."""

    kind: str  # what its pods' names begin with, and their label
    module: str
    words: tuple[str, ...] = ()  # of its command line
    plain: tuple[str, ...]  # keys of the steps' ConfigMap
    secret: tuple[str, ...]  # keys of the steps' Secret
    values: tuple[tuple[str, str], ...] = ()  # further variables
    config_maps: tuple[tuple[str, str], ...] = ()  # to mount: name and folder
    speaks_to_cluster: bool  # with the token of its account
    memory: str = "512Mi"
    patience_s: int  # a node may pull the image first, and it is of some 0.7 GB

    @property
    def selector(self) -> str:
        """Label selector of its pods."""
        return f"app.kubernetes.io/name={self.kind}"

    def new_name(self) -> str:
        """Chosen by who makes the pod, so that it is known even where the API server's answer never comes."""
        return f"{self.kind}-{uuid.uuid4().hex[:8]}"

    def pod(self, name: str, image: str) -> Object:
        """What a step has, and nothing that Pod Security `restricted` refuses."""
        mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - of the container
        volumes: list[Object] = [{"name": "tmp", "emptyDir": {}}]
        for of, folder in self.config_maps:
            mounts.append({"name": of, "mountPath": folder, "readOnly": True})  # type: ignore[dict-item]
            volumes.append({"name": of, "configMap": {"name": of}})
        labels = {"app.kubernetes.io/name": self.kind, "app.kubernetes.io/part-of": "forebay"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": PIPELINES, "labels": labels},
            "spec": {
                "serviceAccountName": ACCOUNT,  # its pull secrets too, and the identity that a cloud binds to it
                "automountServiceAccountToken": self.speaks_to_cluster,
                "enableServiceLinks": False,
                "restartPolicy": "Never",
                "activeDeadlineSeconds": self.patience_s,
                "terminationGracePeriodSeconds": 30 if self.speaks_to_cluster else 1,
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [
                    {
                        "name": self.kind,
                        "image": image,
                        "command": ["python3", "-m", self.module, *self.words],
                        "env": [
                            *variables(self.plain, self.secret),
                            *({"name": key, "value": value} for key, value in self.values),
                        ],
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "128Mi"},
                            "limits": {"memory": self.memory},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": mounts,
                    }
                ],
                "volumes": volumes,
            },
        }


def image(api: Api, wanted: str) -> str:
    """The image of an errand: the wanted one, else that of register and deploy, from where MLflow's came."""
    return wanted or container_images.image("pipeline", _registry(api))


def begin(api: Api, errand: Errand, name: str, takes: str) -> None:
    """Make the pod, after those of a killed sender are removed; a running one may be another person's.

    Raises:
        ApiError: the server refuses, or does not answer: whether there is a pod is then not known.
    """
    for each in api.all(PODS, PIPELINES, labelSelector=errand.selector):
        if _is_over(each):
            api.delete(PODS, PIPELINES, each["metadata"]["name"])
    api.create(PODS, errand.pod(name, takes))


def follow(
    api: Api, errand: Errand, name: str, subject: Subject, ending: Ending, show: Callable[[str], None] | None = None
) -> Ended:
    """Wait for the pod's end.

    Args:
        api: connection to the cluster.
        errand: what runs.
        name: of the pod.
        subject: for the words about what hinders it.
        ending: whether this process is to end.
        show: receives each line of the log when it is written, rather than at the end.

    Raises:
        HinderedError: it does not start, or does not end in time.
        ApiError: the server refuses, or does not answer.
    """
    start = time.monotonic()
    found: Obstacle | None = None
    shown = 0
    for seen in _states(api, name, start + errand.patience_s):
        ending.check()
        lines = _lines(api, errand, seen) if show or _is_over(seen) else []
        if show:
            for line in lines[shown:]:
                show(line)
            shown = max(shown, len(lines))
        if _is_over(seen):
            return Ended(seen, lines)
        found = next(of_pods([seen], subject), None)
        if found and (found.hopeless or time.monotonic() - start > ROOM_S):
            raise HinderedError(found.text, found)
    why = found.text if found else "its node says no reason"
    raise HinderedError(f"{PIPELINES}/{name} did not end within {errand.patience_s} s: {why}")


def remove(api: Api, name: str) -> None:
    """Delete the pod; nothing where there is none."""
    api.delete(PODS, PIPELINES, name)


def _registry(api: Api) -> str:
    """What stands before the names of our images in this cluster, as its MLflow was pulled; empty where unknown."""
    try:
        found = api.find(DEPLOYMENTS, PLATFORM, f"{PLATFORM}-mlflow")
    except ApiError:
        return ""  # one who may not look at deployments
    images = [each["image"] for each in found["spec"]["template"]["spec"]["containers"]] if found else []
    return next((str(name).rpartition("forebay/mlflow")[0].rstrip("/") for name in images), "")


def _states(api: Api, name: str, end: float) -> Iterator[Object]:
    for seen in api.states(PODS, PIPELINES, name, end, SLICE_S):
        if seen is None:
            raise HinderedError(f"Somebody deleted the pod {PIPELINES}/{name} meanwhile. Try again.")
        yield seen


def _lines(api: Api, errand: Errand, seen: Object) -> list[str]:
    """What it has written so far; nothing where it was never started."""
    if not any({"running", "terminated"} & (each.get("state") or {}).keys() for each in _containers(seen)):
        return []
    return api.log(PIPELINES, seen["metadata"]["name"], errand.kind, lines=LINES).splitlines()


def _is_over(seen: Object) -> bool:
    ended = ("terminated" in (each.get("state") or {}) for each in _containers(seen))
    return (seen.get("status") or {}).get("phase") in ("Succeeded", "Failed") or any(ended)


def _containers(seen: Object) -> list[Object]:
    found: list[Object] = (seen.get("status") or {}).get("containerStatuses") or []
    return found
