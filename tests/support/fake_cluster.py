"""A cluster with the platform installed, on the wire: what the chart renders, rights, and pods that really run.

A pod's command runs as a process of this machine, with the environment that a kubelet would give it.
"""

import base64
import contextlib
import copy
import datetime
import functools
import ipaddress
import json
import os
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.connection_faults import Wire
from support.fake_kube_api import FakeApi, Object, Resources, status
from support.fake_pipelines_api import PROXY, KfpDouble, kfp_double, recorded
from support.helm_chart import objects, scenario
from support.loopback_server import QuietHandler, serving

USER = "jane@example.com"
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
_LIST_VERBS = {"GET": ("list", "get"), "POST": ("create", "create"), "DELETE": ("deletecollection", "delete")}
_MESSAGE = '{resource} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{group}" {where}'


class ClusterDouble(FakeApi):
    """What is there, who may what, and what pods do."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            copy.deepcopy(_platform()), "v1.36.2", {path: list(kinds) for path, kinds in RESOURCES.items()}
        )
        self.folder = folder
        self.user = USER
        self.ahead_s = 0.0  # its clock
        self.refuses: tuple[int, str] | None = None  # status and message of every answer
        self.refuses_pods = ""  # what admission says
        self.denied: set[tuple[str, str, str]] = set()  # namespace, resource, verb: of the person
        self.denied_account: set[tuple[str, str, str]] = set()
        self.pod_status: Object | None = None  # of pods that are not to run
        self.pod_node = "node"  # that takes pods
        self.pod_log: str | None = None  # of pods that are not to run, and ended
        self.kfp: KfpDouble | None = None  # behind its service
        self.pods_kubeconfig: Path | None = None  # by which pods with a token find their API server, in place of it
        self.logs: dict[str, str] = {}
        self.deleted: list[str] = []
        self.made = threading.Event()  # a pod
        self.gone = threading.Event()
        self.wire = Wire()

    def kubeconfig(self) -> str:
        """With the certificate, and a token that nobody looks at."""
        config = json.loads(super().kubeconfig())
        authority = base64.b64encode((self.folder / "ca.crt").read_bytes()).decode()
        config["clusters"][0]["cluster"]["certificate-authority-data"] = authority
        config["users"][0]["user"]["token"] = "not-a-secret"
        return json.dumps(config)

    def the(self, kind: str, name: str) -> Object:
        """One object, to change."""
        return next(each for each in self.objects if each["kind"] == kind and each["metadata"]["name"] == name)

    def remove(self, kind: str, name: str) -> None:
        """Take one object away."""
        self.objects.remove(self.the(kind, name))

    def request(self, verb: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        """One request, as a real one answers it."""
        if self.refuses:
            return self.refuses[0], status(self.refuses[0], "", self.refuses[1])
        if path.startswith("/apis/auth"):
            return self._review(path.rpartition("/")[2], json.loads(body))
        if refusal := self._forbidden(verb, path):
            return 403, status(403, "Forbidden", refusal)
        if verb == "POST":
            return self._run(json.loads(body))
        if verb == "DELETE":
            return self._delete(path.rpartition("/")[2])
        if path.endswith("/log"):
            return 200, self.logs[path.split("/")[-2]]
        if "watch" in query:
            self.gone.wait(float(query["timeoutSeconds"][0]))
            return 200, ""
        found = self.answer(path)
        return (200, found) if found else (404, status(404, "NotFound"))

    def _forbidden(self, verb: str, path: str) -> str:
        found = re.fullmatch(r"/apis?(?:/([^/]+\.[^/]+|apps))?/v[^/]+(?:/namespaces/([^/]+))?/([^/]+)(/.*)?", path)
        if not found:
            return ""
        group, namespace, resource, name = (each or "" for each in found.groups())
        asked = _LIST_VERBS[verb][1 if name else 0]
        if (namespace, resource, asked) not in self.denied:
            return ""
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        return _MESSAGE.format(resource=resource, user=self.user, verb=asked, group=group, where=where)

    def _review(self, kind: str, asked: Object) -> tuple[int, Object]:
        if kind == "selfsubjectreviews":
            return 201, {"status": {"userInfo": {"username": self.user}}}
        if kind == "subjectaccessreviews" and ("", kind, "create") in self.denied:
            words = {"resource": kind, "user": self.user, "verb": "create", "group": "authorization.k8s.io"}
            return 403, status(403, "Forbidden", _MESSAGE.format(**words, where="at the cluster scope"))
        right = asked["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (right["resource"], right.get("subresource"))))
        denied = self.denied_account if kind == "subjectaccessreviews" else self.denied
        return 201, {"status": {"allowed": (right["namespace"], resource, right["verb"]) not in denied}}

    def _run(self, pod: Object) -> tuple[int, Object]:
        name = pod["metadata"]["name"]
        if any(each["kind"] == "Pod" and each["metadata"]["name"] == name for each in self.objects):
            return 409, status(409, "AlreadyExists", f'pods "{name}" already exists')
        if self.refuses_pods:
            return 403, status(403, "Forbidden", f'pods "{pod["metadata"]["name"]}" is forbidden: {self.refuses_pods}')
        pod["metadata"]["resourceVersion"] = "7"
        pod["spec"]["nodeName"] = self.pod_node
        if self.pod_log is not None:
            self.logs[pod["metadata"]["name"]] = self.pod_log
        pod["status"] = self.pod_status or self._ended(pod)
        self.objects.append(pod)
        self.made.set()
        return 201, pod

    def _ended(self, pod: Object) -> Object:
        """The kubelet: runs the one container to its end."""
        container = pod["spec"]["containers"][0]
        environment = dict(self._environment(container))
        if pod["spec"]["automountServiceAccountToken"]:
            environment = {**environment, "KUBECONFIG": str(self.pods_kubeconfig), "KUBERNETES_SERVICE_HOST": ""}
        command = [sys.executable, *container["command"][1:]]
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder
        )
        self.logs[pod["metadata"]["name"]] = done.stdout
        state = {"terminated": {"exitCode": done.returncode, "reason": "Completed"}}
        ended = {"name": container["name"], "image": container["image"], "state": state, "ready": False}
        return {"phase": "Failed" if done.returncode else "Succeeded", "containerStatuses": [ended]}

    def _environment(self, container: Object) -> Iterator[tuple[str, str]]:
        yield from ((name, os.environ[name]) for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ)
        address = urlsplit(self.url)
        yield from (("KUBERNETES_SERVICE_HOST", str(address.hostname)), ("KUBERNETES_SERVICE_PORT", str(address.port)))
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        for variable in container["env"]:
            if "value" in variable:
                yield variable["name"], self._mounted(variable["value"], mounts)
                continue
            (source, reference), *_ = variable["valueFrom"].items()
            held = self.data("ConfigMap" if source == "configMapKeyRef" else "Secret", reference["name"])
            if reference["key"] in held:
                yield variable["name"], held[reference["key"]]

    def _mounted(self, value: str, mounts: list[str]) -> str:
        path = Path(value)
        return str(self.folder / path.name) if str(path.parent) in mounts else value

    def data(self, kind: str, name: str) -> dict[str, str]:
        """What a ConfigMap or a Secret holds, decoded; empty where there is none."""
        found = next((each for each in self.objects if (each["kind"], each["metadata"]["name"]) == (kind, name)), {})
        given = found.get("data") or {}
        return given if kind == "ConfigMap" else {key: base64.b64decode(given[key]).decode() for key in given}

    def give(self, kind: str, name: str, values: dict[str, str]) -> None:
        """Put values into a ConfigMap or a Secret."""
        encoded = values if kind == "ConfigMap" else {key: _encoded(value) for key, value in values.items()}
        self.the(kind, name)["data"].update(encoded)

    def _delete(self, name: str) -> tuple[int, Object]:
        self.remove("Pod", name)
        self.deleted.append(name)
        self.gone.set()
        return 200, {}

    @property
    def pods(self) -> list[str]:
        """Names of those that there are."""
        return [each["metadata"]["name"] for each in self.objects if each["kind"] == "Pod"]


@contextlib.contextmanager
def cluster_double(folder: Path) -> Iterator[ClusterDouble]:
    """Run one on a free port of loopback, with TLS; `folder` holds its certificate."""
    double = ClusterDouble(folder)

    class Handler(QuietHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            query = parse_qs(parts.query)

            def act() -> tuple[int, bytes, str]:
                if double.kfp and parts.path.startswith(PROXY):
                    code, value = double.kfp.answer(self.command, parts.path, query, body, "")
                else:
                    code, value = double.request(self.command, parts.path, query, body)
                return code, (value if isinstance(value, str) else json.dumps(value)).encode(), "application/json"

            double.wire.serve(self, act)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + double.ahead_s)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

    with serving(Handler, certificate(folder)) as double.url:
        yield double


def certificate(folder: Path) -> ssl.SSLContext:
    """A new certificate for 127.0.0.1, its own authority, in `ca.crt`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(key.private_bytes(*plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key")
    return context


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


@contextlib.contextmanager
def cluster_with_pipelines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterDouble]:
    """One that KUBECONFIG names, with Kubeflow Pipelines behind its API server and a run that is done."""
    with cluster_double(folder) as made, kfp_double(recorded("done")) as made.kfp:
        (folder / "kubeconfig").write_text(made.kubeconfig())
        monkeypatch.setenv("KUBECONFIG", str(folder / "kubeconfig"))
        yield made
