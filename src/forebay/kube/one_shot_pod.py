"""A short-lived pod beside the steps that runs one module with their image, account and environment.

Who sends one deletes it, whatever happens; one that was killed before it could is removed by the next.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from forebay import container_images
from forebay.errors import ClusterError
from forebay.kube.client import DEPLOYMENTS, PODS, Api, ApiError, Object
from forebay.kube.environment import variables
from forebay.kube.pod_problems import Obstacle, Subject, condition, of_pods
from forebay.kube.pod_security import restricted_container, restricted_pod
from forebay.settings.namespaces import PIPELINES, PLATFORM
from forebay.signals import SignalGuard

ACCOUNT = "pipeline-runner"  # that Kubeflow Pipelines runs steps as
SLICE_S = 2
LINES = 1000
GIVE = "Name the image of register and deploy (`forebay compile` writes it) with --image."
OLD = timedelta(minutes=10)  # a pod that ended and is as old was left by a sender that was killed


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
    room_s: float  # how long a pod that no node takes is waited for
    stays_s: float  # an obstacle that stays this long is no passing one

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
            volume = of.replace(".", "-")  # a volume's name takes no dots, a ConfigMap's does
            mounts.append({"name": volume, "mountPath": folder, "readOnly": True})  # type: ignore[dict-item]
            volumes.append({"name": volume, "configMap": {"name": of}})
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
                "shareProcessNamespace": True,  # else Python were process 1, whom no signal ends before it asked for it
                "terminationGracePeriodSeconds": 30 if self.speaks_to_cluster else 1,
                "securityContext": restricted_pod(),
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
                        "securityContext": restricted_container(),
                        "volumeMounts": mounts,
                    }
                ],
                "volumes": volumes,
            },
        }


def image(api: Api, wanted: str) -> str:
    """The image of an errand: the wanted one, else that of register and deploy, from where MLflow's came.

    Raises:
        ClusterError: it cannot be known. A guess could be an image of somebody else's, with the steps' keys.
    """
    if wanted:
        return wanted
    name = f"{PLATFORM}/{PLATFORM}-mlflow"
    try:
        found = api.find(DEPLOYMENTS, PLATFORM, f"{PLATFORM}-mlflow")
    except ApiError as error:
        if error.status != 403:
            raise
        raise ClusterError(
            f"You may not look at the deployment {name}, whose image tells where ours are. {GIVE}"
        ) from error
    images = [str(each["image"]) for each in found["spec"]["template"]["spec"]["containers"]] if found else []
    prefix = next((each.partition("forebay/mlflow")[0] for each in images if "forebay/mlflow" in each), None)
    if prefix is None:
        raise ClusterError(f"No deployment {name} with an image of ours tells where ours are. {GIVE}")
    return container_images.image_name("pipeline", prefix.rstrip("/"))


def begin(api: Api, errand: Errand, name: str, takes: str) -> None:
    """Make the pod, after those of a killed sender are removed; others may be another person's.

    Raises:
        ApiError: the server refuses, or does not answer: whether there is a pod is then not known.
    """
    for each in api.all(PODS, PIPELINES, labelSelector=errand.selector):
        if _is_over(each) and datetime.fromisoformat(each["metadata"]["creationTimestamp"]) < datetime.now(UTC) - OLD:
            api.delete(PODS, PIPELINES, each["metadata"]["name"])
    api.create(PODS, errand.pod(name, takes))


def follow(
    api: Api, errand: Errand, name: str, subject: Subject, guard: SignalGuard, show: Callable[[str], None] | None = None
) -> Ended:
    """Wait for the pod's end.

    Args:
        api: connection to the cluster.
        errand: what runs.
        name: of the pod.
        subject: for the words about what hinders it.
        guard: whether this process is to end.
        show: receives each line of the log when it is written, and what else a person should see meanwhile.

    Raises:
        HinderedError: it does not start, or does not end in time.
        ApiError: the server refuses, or does not answer for minutes.
    """
    following = _Following(api, errand, name, subject, show)
    end = time.monotonic() + errand.patience_s
    for seen in api.states(PODS, PIPELINES, name, end, SLICE_S):
        guard.raise_if_signalled()
        if ended := following.look(seen):
            return ended
    why = following.found.text if following.found else "its node says no reason"
    raise HinderedError(f"{PIPELINES}/{name} did not end within {errand.patience_s} s: {why}")


@dataclass
class _Following:
    api: Api
    errand: Errand
    name: str
    subject: Subject
    show: Callable[[str], None] | None
    shown: int = 0
    found: Obstacle | None = None
    since: float = 0.0

    def look(self, seen: Object | None) -> Ended | None:
        """The pod's end, or None where it is still on its way."""
        if seen is None:
            raise HinderedError(f"Somebody deleted the pod {PIPELINES}/{self.name} meanwhile.")
        lines = _lines(self.api, self.errand, seen) if self.show or _is_over(seen) else []
        if self.show:
            for line in lines[self.shown :]:
                self.show(line)
            self.shown = max(self.shown, len(lines))
        if _is_over(seen):
            return Ended(seen, lines)
        found = next(of_pods([seen], self.subject), None) or _unscheduled(seen)
        if found is None or self.found is None or found.kind != self.found.kind:
            self.since = time.monotonic()
        self.found = found
        stays_s = self.errand.stays_s if found and found.hopeless else self.errand.room_s
        if found and time.monotonic() - self.since >= stays_s:
            raise HinderedError(found.text, found)
        return None


def remove(api: Api, name: str) -> None:
    """Delete the pod; nothing where there is none."""
    api.delete(PODS, PIPELINES, name)


def _lines(api: Api, errand: Errand, seen: Object) -> list[str]:
    """What it has written so far; nothing where it was never started."""
    if not any({"running", "terminated"} & (each.get("state") or {}).keys() for each in _containers(seen)):
        return []
    return api.log(PIPELINES, seen["metadata"]["name"], errand.kind, lines=LINES).splitlines()


def _unscheduled(seen: Object) -> Obstacle | None:
    """That no scheduler has looked at a pod: where one has, it has a node or a condition that says why not."""
    if seen["spec"].get("nodeName") or condition(seen, "PodScheduled"):
        return None
    text = (
        f"No scheduler has looked at the pod {seen['metadata']['name']}: see that the cluster's runs, and that a node "
        "is ready (`kubectl get nodes`, `kubectl get pods --namespace kube-system`)."
    )
    return Obstacle(kind="Unschedulable", text=text, hopeless=False)


def _is_over(seen: Object) -> bool:
    ended = ("terminated" in (each.get("state") or {}) for each in _containers(seen))
    return (seen.get("status") or {}).get("phase") in ("Succeeded", "Failed") or any(ended)


def _containers(seen: Object) -> list[Object]:
    found: list[Object] = (seen.get("status") or {}).get("containerStatuses") or []
    return found
