"""A one-shot pod beside the steps: it runs one module with the steps' container image, account and environment.

Whoever creates the pod deletes it, whatever happens. Where the creator was killed before it could, the next one does.
"""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from forebay import container_images
from forebay.errors import ClusterError
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.environment import variables_from_chart
from forebay.kube.pod_problems import PodProblem, WorkloadTerms, find_condition, find_pod_problems
from forebay.kube.pod_security import restricted_container, restricted_pod
from forebay.kube.problem_tracker import ProblemTracker
from forebay.kube.resource_types import DEPLOYMENTS, PODS, Object
from forebay.settings.namespaces import PIPELINES, PLATFORM
from forebay.signals import SignalGuard

ACCOUNT = "pipeline-runner"  # Kubeflow Pipelines runs steps under this service account
WATCH_S = 2
LOG_LINES = 1000
NAME_IMAGE = "Name the image of register and deploy (`forebay compile` writes it) with --image."
LEFT_BEHIND_AFTER = timedelta(minutes=10)  # an ended pod of this age was left by a creator that was killed


class PodStuckError(ClusterError):
    """A one-shot pod does not come to its end; the message says why."""

    def __init__(self, text: str, problem: PodProblem | None = None) -> None:
        super().__init__(text)
        self.problem = problem  # None where the pod took too long or is gone


@dataclass(frozen=True)
class FinishedPod:
    """A one-shot pod that ran to its end."""

    pod: Object
    lines: list[str]  # the last lines of its log

    @property
    def missing_module(self) -> str:
        """Python's words where the container image lacks the module: it holds another version's code. Else empty."""
        return next((line for line in self.lines[-1:] if "No module named" in line), "")

    def result(self, key: str) -> Any:
        """What the module printed under this key, as a JSON object on one line; None where it printed nothing."""
        line = next((line for line in reversed(self.lines) if is_result(line, key)), None)
        return None if line is None else json.loads(line)[key]


def is_result(line: str, key: str) -> bool:
    """Whether a line of a log is the result that a module printed under this key."""
    return line.startswith(f'{{"{key}"')


@dataclass(frozen=True, kw_only=True)
class OneShotPod:
    """What to run, and what it needs besides what every one-shot pod is given."""

    app_name: str  # its pods' label, the beginning of their names, and the name of their container
    module: str
    arguments: tuple[str, ...] = ()
    config_keys: tuple[str, ...]  # keys of the steps' ConfigMap
    secret_keys: tuple[str, ...]  # keys of the steps' Secret
    variables: tuple[tuple[str, str], ...] = ()  # further variables: name and value
    mounted_config_maps: tuple[tuple[str, str], ...] = ()  # name and folder
    mounts_api_token: bool  # whether the module may ask the API server, as the account
    memory: str = "512Mi"
    deadline_s: int  # includes pulling the container image of some 0.7 GB
    unschedulable_grace_s: float  # how long a pod waits for a node
    problem_grace_s: float  # how long another problem may last
    terms: WorkloadTerms  # words for its problems

    @property
    def selector(self) -> str:
        """Label selector of its pods."""
        return f"app.kubernetes.io/name={self.app_name}"

    def new_name(self) -> str:
        """The creator chooses the name, so that it is known even where the API server's answer never arrives."""
        return f"{self.app_name}-{uuid.uuid4().hex[:8]}"

    def manifest(self, name: str, image: str) -> Object:
        """The pod: it has what a step has, and nothing that Pod Security `restricted` refuses."""
        labels = {"app.kubernetes.io/name": self.app_name, "app.kubernetes.io/part-of": "forebay"}
        volumes = [{"name": "tmp", "emptyDir": {}}, *(self._volume(each) for each, _ in self.mounted_config_maps)]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": PIPELINES, "labels": labels},
            "spec": {
                "serviceAccountName": ACCOUNT,  # it brings pull secrets, and the identity that a cloud binds to it
                "automountServiceAccountToken": self.mounts_api_token,
                "enableServiceLinks": False,
                "restartPolicy": "Never",
                "activeDeadlineSeconds": self.deadline_s,
                # Otherwise Python would be process 1, which ignores a signal until the program asks for it.
                "shareProcessNamespace": True,
                "terminationGracePeriodSeconds": 30 if self.mounts_api_token else 1,
                "securityContext": restricted_pod(),
                "containers": [self._container(image)],
                "volumes": volumes,
            },
        }

    def _container(self, image: str) -> Object:
        mounts: list[Object] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a folder of the container
        mounts += [
            {"name": self._volume(each)["name"], "mountPath": folder, "readOnly": True}
            for each, folder in self.mounted_config_maps
        ]
        return {
            "name": self.app_name,
            "image": image,
            "command": ["python3", "-m", self.module, *self.arguments],
            "env": [
                *variables_from_chart(self.config_keys, self.secret_keys),
                *({"name": key, "value": value} for key, value in self.variables),
            ],
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": self.memory}},
            "securityContext": restricted_container(),
            "volumeMounts": mounts,
        }

    def _volume(self, config_map: str) -> Object:
        # A volume's name takes no dots, a ConfigMap's does.
        return {"name": config_map.replace(".", "-"), "configMap": {"name": config_map}}


def resolve_image(api: KubeClient, wanted: str) -> str:
    """The container image of one-shot pods: the wanted one, else that of register and deploy, from MLflow's registry.

    Raises:
        ClusterError: the image is not known. A guess could run somebody else's image with the steps' keys.
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
            f"You may not look at the deployment {name}, whose image tells where ours are. {NAME_IMAGE}"
        ) from error
    images = [str(each["image"]) for each in found["spec"]["template"]["spec"]["containers"]] if found else []
    prefix = next((each.partition("forebay/mlflow")[0] for each in images if "forebay/mlflow" in each), None)
    if prefix is None:
        raise ClusterError(f"No deployment {name} with an image of ours tells where ours are. {NAME_IMAGE}")
    return container_images.image_name("pipeline", prefix.rstrip("/"))


def create_pod(api: KubeClient, wanted: OneShotPod, name: str, image: str) -> None:
    """Create the pod, and delete what killed creators left; running pods may be another person's.

    Raises:
        ApiError: the server refuses, or does not answer, and then nobody knows whether the pod exists.
    """
    limit = datetime.now(UTC) - LEFT_BEHIND_AFTER
    for each in api.list_all(PODS, PIPELINES, labelSelector=wanted.selector):
        if _is_over(each) and datetime.fromisoformat(each["metadata"]["creationTimestamp"]) < limit:
            api.delete(PODS, PIPELINES, each["metadata"]["name"])
    api.create(PODS, wanted.manifest(name, image))


def wait_for_end(
    api: KubeClient, wanted: OneShotPod, name: str, guard: SignalGuard, show: Callable[[str], None] | None = None
) -> FinishedPod:
    """Follow the pod to its end.

    Args:
        api: connection to the cluster.
        wanted: what runs in the pod.
        name: the pod's name.
        guard: whether this process is to end.
        show: receives each line of the log as it is written.

    Raises:
        PodStuckError: the pod does not start, or does not end in time.
        ApiError: the server refuses, or is away for longer than the client retries.
    """
    observer = _PodObserver(api, wanted, name, show)
    deadline = time.monotonic() + wanted.deadline_s
    for seen in api.follow(PODS, PIPELINES, name, deadline, WATCH_S):
        guard.raise_if_signalled()
        if finished := observer.look_at(seen):
            return finished
    problem = observer.tracker.current
    reason = problem.text if problem else "its node gives no reason"
    raise PodStuckError(f"{PIPELINES}/{name} did not end within {wanted.deadline_s} s: {reason}")


@dataclass
class _PodObserver:
    api: KubeClient
    wanted: OneShotPod
    name: str
    show: Callable[[str], None] | None
    shown_lines: int = 0
    tracker: ProblemTracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = ProblemTracker(self.wanted.problem_grace_s, self.wanted.unschedulable_grace_s)

    def look_at(self, seen: Object | None) -> FinishedPod | None:
        """The finished pod, or None while it is on its way."""
        if seen is None:
            raise PodStuckError(f"Somebody deleted the pod {PIPELINES}/{self.name} meanwhile.")
        lines = self._log_lines(seen) if self.show or _is_over(seen) else []
        if self.show:
            for line in lines[self.shown_lines :]:
                self.show(line)
            self.shown_lines = max(self.shown_lines, len(lines))
        if _is_over(seen):
            return FinishedPod(seen, lines)
        problem = next(find_pod_problems([seen], self.wanted.terms), None) or _without_scheduler(seen)
        if lasting := self.tracker.update(problem):
            raise PodStuckError(lasting.text, lasting)
        return None

    def _log_lines(self, seen: Object) -> list[str]:
        """What the pod has written so far; nothing where its container never started."""
        if not any({"running", "terminated"} & (each.get("state") or {}).keys() for each in _containers(seen)):
            return []
        log = self.api.pod_log(PIPELINES, seen["metadata"]["name"], self.wanted.app_name, lines=LOG_LINES)
        return log.splitlines()


def delete_pod(api: KubeClient, name: str) -> None:
    """Delete the pod; a pod that is gone already is no error."""
    api.delete(PODS, PIPELINES, name)


def _without_scheduler(seen: Object) -> PodProblem | None:
    """The problem that no scheduler looked at the pod: one that did leaves a node or a condition with the reason."""
    if seen["spec"].get("nodeName") or find_condition(seen, "PodScheduled"):
        return None
    text = (
        f"No scheduler has looked at the pod {seen['metadata']['name']}: see that the cluster's runs, and that a node "
        "is ready (`kubectl get nodes`, `kubectl get pods --namespace kube-system`)."
    )
    return PodProblem(kind="Unschedulable", text=text, is_permanent=False)


def _is_over(seen: Object) -> bool:
    ended = ("terminated" in (each.get("state") or {}) for each in _containers(seen))
    return (seen.get("status") or {}).get("phase") in ("Succeeded", "Failed") or any(ended)


def _containers(seen: Object) -> list[Object]:
    found: list[Object] = (seen.get("status") or {}).get("containerStatuses") or []
    return found
