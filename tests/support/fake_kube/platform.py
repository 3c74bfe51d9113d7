"""A cluster with the platform installed, on the wire: what the chart renders, rights, and pods that really run.

A pod's command runs as a process of this machine, with the environment that a kubelet would give it.
"""

import base64
import contextlib
import copy
import functools
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_kube.api import Answer, FakeKubeApi, serve
from support.fake_kube.kubelet import Kubelet
from support.fake_kube.objects import Object, Resources, status
from support.fake_pipelines_api import PROXY, FakePipelines, fake_pipelines, recorded
from support.helm_chart import objects, scenario
from support.loopback_server import certificate

RESOURCES: Resources = {
    "/api/v1": [
        ("nodes", "Node", False),
        ("pods", "Pod", True),
        ("events", "Event", True),
        ("services", "Service", True),
        ("secrets", "Secret", True),
        ("configmaps", "ConfigMap", True),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
    ],
    "/apis/apps/v1": [("deployments", "Deployment", True), ("statefulsets", "StatefulSet", True)],
    "/apis/storage.k8s.io/v1": [("storageclasses", "StorageClass", False)],
    "/apis/cert-manager.io/v1": [("certificates", "Certificate", True), ("issuers", "Issuer", True)],
    "/apis/serving.kserve.io/v1beta1": [("inferenceservices", "InferenceService", True)],
    "/apis/serving.kserve.io/v1alpha1": [
        ("servingruntimes", "ServingRuntime", True),
        ("clusterstoragecontainers", "ClusterStorageContainer", False),
    ],
    "/apis/argoproj.io/v1alpha1": [
        ("workflows", "Workflow", True),
        ("workflowtaskresults", "WorkflowTaskResult", True),
        ("workflowtasksets", "WorkflowTaskSet", True),
    ],
    "/apis/kubeflow.org/v1beta1": [("scheduledworkflows", "ScheduledWorkflow", True), ("viewers", "Viewer", True)],
}


class FakeCluster(FakeKubeApi):
    """What is there, who may what, and what pods do.

    Attributes:
        pod_refusal: what admission says of pods.
        pod_status: status of pods that are not to run.
        pod_log: log of pods that are not to run, and ended.
        pod_node: the node that takes pods.
        pipelines: Kubeflow Pipelines behind its service.
        pods_kubeconfig: by which pods with a token find their API server, in place of this one.
        pod_created, pod_deleted: set once there was one.
    """

    def __init__(self, folder: Path) -> None:
        resources = {path: list(kinds) for path, kinds in RESOURCES.items()}
        super().__init__(copy.deepcopy(_platform()), "v1.36.2", resources)
        self.folder = folder
        self.pod_refusal = ""
        self.pod_status: Object | None = None
        self.pod_log: str | None = None
        self.pod_node = "node"
        self.pipelines: FakePipelines | None = None
        self.pods_kubeconfig: Path | None = None
        self.logs: dict[str, str] = {}
        self.deleted_pods: list[str] = []
        self.pod_created = threading.Event()
        self.pod_deleted = threading.Event()

    def kubeconfig(self) -> Object:
        """With the certificate, and a token that nobody looks at."""
        config = super().kubeconfig()
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        config["clusters"][0]["cluster"]["certificate-authority-data"] = authority
        return config

    def answer(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        """One request; what goes to the service of Kubeflow Pipelines is answered there."""
        if self.pipelines and path.startswith(PROXY):
            return self.pipelines.answer(verb, path, query, body, "")
        return super().answer(verb, path, query, body)

    def _stored(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        """Pods may be made and deleted; the rest is only looked at."""
        if verb == "POST":
            return self._run(json.loads(body))
        if verb == "DELETE":
            return self._delete(path.rpartition("/")[2])
        if path.endswith("/log"):
            return 200, self.logs[path.split("/")[-2]]
        if "watch" in query:
            self.pod_deleted.wait(float(query["timeoutSeconds"][0]))
            return 200, ""
        return super()._stored(verb, path, query, body)

    def _run(self, pod: Object) -> Answer:
        name = pod["metadata"]["name"]
        if name in self.pod_names:
            return 409, status(409, "AlreadyExists", f'pods "{name}" already exists')
        if self.pod_refusal:
            return 403, status(403, "Forbidden", f'pods "{name}" is forbidden: {self.pod_refusal}')
        pod["metadata"]["resourceVersion"] = "7"
        pod["spec"]["nodeName"] = self.pod_node
        if self.pod_log is not None:
            self.logs[name] = self.pod_log
        pod["status"] = self.pod_status or self._ended(pod)
        self.objects.append(pod)
        self.pod_created.set()
        return 201, pod

    def _ended(self, pod: Object) -> Object:
        kubelet = Kubelet(self.folder, self.url, self.pods_kubeconfig, self.data)
        self.logs[pod["metadata"]["name"]], state = kubelet.run(pod)
        return state

    def _delete(self, name: str) -> Answer:
        self.remove("Pod", name)
        self.deleted_pods.append(name)
        self.pod_deleted.set()
        return 200, {}

    def data(self, kind: str, name: str) -> dict[str, str]:
        """What a ConfigMap or a Secret holds, decoded; empty where there is none."""
        found = next((each for each in self.objects if (each["kind"], each["metadata"]["name"]) == (kind, name)), {})
        given = found.get("data") or {}
        return given if kind == "ConfigMap" else {key: base64.b64decode(given[key]).decode() for key in given}

    def set_data(self, kind: str, name: str, values: dict[str, str]) -> None:
        """Put values into a ConfigMap or a Secret."""
        encoded = values if kind == "ConfigMap" else {key: _encoded(value) for key, value in values.items()}
        self.find_object(kind, name)["data"].update(encoded)

    @property
    def pod_names(self) -> list[str]:
        """Names of the pods that there are."""
        return [each["metadata"]["name"] for each in self.objects if each["kind"] == "Pod"]


@contextlib.contextmanager
def fake_cluster(folder: Path) -> Iterator[FakeCluster]:
    """Run one on a free port of loopback, with TLS; `folder` holds its certificate."""
    with serve(FakeCluster(folder), certificate(folder)) as running:
        yield running


@contextlib.contextmanager
def cluster_with_pipelines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """One that KUBECONFIG names, with Kubeflow Pipelines behind its API server and a run that is done."""
    with fake_cluster(folder) as made, fake_pipelines(recorded("done")) as made.pipelines:
        (folder / "kubeconfig").write_text(json.dumps(made.kubeconfig()))
        monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
        yield made


@functools.cache
def _platform() -> list[Object]:
    """What the chart renders for a laptop, everything available, with the nodes and volumes below it."""
    found = [_stored(each) for each in objects(scenario("kind")) if each["kind"] != "Pod"]
    claim = {"kind": "PersistentVolumeClaim", "metadata": {"name": "data-forebay-s3-0", "namespace": "forebay"}}
    return [
        *found,
        {**claim, "spec": {"storageClassName": "standard"}, "status": {"phase": "Bound"}},
        {
            "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        },
        {
            "kind": "Node",
            "metadata": {"name": "node"},
            "spec": {},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"cpu": "2", "memory": "24581692Ki"},
            },
        },
        *(
            _stored({"kind": "Deployment", "metadata": {"name": name, "namespace": namespace}, "spec": {"replicas": 1}})
            for namespace, name in (
                ("cert-manager", "cert-manager"), ("kserve", "kserve-controller-manager"), ("kubeflow", "ml-pipeline")
            )
        ),
    ]  # fmt: skip


def _stored(each: Object) -> Object:
    """An object as the API server keeps it, once its controller has done its work."""
    if each["kind"] == "Secret":
        given = each.get("stringData") or {}
        return {**each, "stringData": None, "data": {key: _encoded(value) for key, value in given.items()}}
    if each["kind"] in ("Deployment", "StatefulSet"):
        return {**each, "status": {"readyReplicas": each["spec"]["replicas"]}}
    return each


def _encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
