"""The chart installed by the real `helm` in the cluster of KUBECONFIG, and MLflow inside reached as people reach it."""

import base64
import contextlib
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.helm_chart import CHART, Values

OVERRIDES = "FOREBAY_CLUSTER_VALUES"  # a values file, such as one that names images where a cluster has no registry
KEPT = {"Secret", "PersistentVolumeClaim"}
PATIENCE = "5m"  # of whole releases; a first start may have to fetch images


def run(command: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of the PATH, without a shell."""
    path = shutil.which(command)
    if path is None:
        pytest.fail(f"`{command}` is not on the PATH; these tests install the chart with it. Install it.")
    return subprocess.run([path, *words], input=stdin, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Release:
    """A release of the chart and what is asked of Helm for it."""

    name: str
    namespace: str
    values: Values

    def upgrade(self, values: Values | None = None, *words: str) -> subprocess.CompletedProcess[str]:
        """Install it, or change it: the laptop's scenario, this machine's images, this release's values, then these."""
        files = [CHART / "ci" / "kind.yaml", *filter(None, [os.environ.get(OVERRIDES)])]
        given = [f"--values={Path(file).absolute()}" for file in files]
        changed = yaml.safe_dump({**self.values, **(values or {})})
        place = (self.name, str(CHART), "--namespace", self.namespace, *given, "--values=-")
        return run("helm", "upgrade", "--install", *place, *(words or ("--wait", "--timeout", PATIENCE)), stdin=changed)

    def helm(self, word: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Any other of Helm's commands on this release."""
        return run("helm", word, self.name, "--namespace", self.namespace, *words)

    def uninstall(self) -> None:
        """Remove it, and wait until its pods and what else hangs on its objects have gone."""
        succeeded(self.helm("uninstall", "--wait", "--timeout", PATIENCE))
        dependent = "pods,replicasets,controllerrevisions,endpoints,endpointslices"
        succeeded(self.kubectl("wait", "--for=delete", dependent, "--timeout=180s"))

    def forget(self) -> None:
        """Remove what an uninstall keeps."""
        succeeded(self.kubectl("delete", "secrets,persistentvolumeclaims", "--timeout=180s"))

    def kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Ask kubectl for something of this release's objects in its own namespace."""
        return run("kubectl", *words, "--namespace", self.namespace, "--selector", self.selector)

    @property
    def selector(self) -> str:
        return f"app.kubernetes.io/instance={self.name}"


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed; a failure of it is the test's."""
    if done.returncode:
        seen = run("kubectl", "get", "pods,persistentvolumeclaims,events", "--all-namespaces").stdout
        pytest.fail(f"{' '.join(done.args)}\n{done.stdout}{done.stderr}\n{seen}")
    return done.stdout


def found(cluster: Any, release: Release, kind: str, api_version: str = "v1") -> list[Any]:
    """The release's objects of a kind in its namespace."""
    api = cluster.resources.get(api_version=api_version, kind=kind)
    items: list[Any] = api.get(namespace=release.namespace, label_selector=release.selector).items
    return items


def everything(cluster: Any, release: Release) -> set[tuple[str, str]]:
    """Kind and name of every object of the release, of any kind, in any namespace or in none."""
    from kubernetes.dynamic.resource import ResourceType

    kinds = [
        resource
        for resource in cluster.resources.search()
        if type(resource) is ResourceType  # and not one of its lists
        and {"list", "delete"} <= set(resource.verbs or ())
        and resource.kind != "Event"
    ]
    assert len(kinds) > 30
    return {
        (resource.kind, item.metadata.name)
        for resource in kinds
        for item in resource.get(label_selector=release.selector).items
    }


def passwords(cluster: Any, release: Release) -> dict[str, dict[str, str]]:
    """The release's generated Secrets, decoded."""
    return {
        secret.metadata.name: {key: base64.b64decode(value).decode() for key, value in secret.data.to_dict().items()}
        for secret in found(cluster, release, "Secret")
    }


@contextlib.contextmanager
def mlflow_address(release: Release) -> Iterator[str]:
    """A port on loopback that leads to MLflow's Service, as the chart's notes describe it."""
    service = f"service/{release.name}-mlflow"
    command = [str(shutil.which("kubectl")), "--namespace", release.namespace, "port-forward", service, ":5000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            port = re.search(r"127\.0\.0\.1:(\d+)", line)
            if port is None:
                process.terminate()
                pytest.fail(f"kubectl port-forward: {line}{process.communicate()[1]}")
            yield f"http://127.0.0.1:{port[1]}"
        finally:
            process.terminate()


@contextlib.contextmanager
def mlflow_client(cluster: Any, release: Release) -> Iterator[Any]:
    """MLflow's own client, logged in as the administrator."""
    import mlflow

    administrator = passwords(cluster, release)[f"{release.name}-mlflow-auth"]
    with mlflow_address(release) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", administrator["username"])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", administrator["password"])
        patch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")  # the store is the server's, not ours
        yield mlflow.MlflowClient(tracking_uri=address)


@dataclass(frozen=True)
class Run:
    """A run in MLflow: a row in its database and an object in its store."""

    experiment: str
    run_id: str
    text: str

    @staticmethod
    def write(cluster: Any, release: Release) -> "Run":
        """Make an experiment with one run in it that has an artifact."""
        name, text = f"cluster-tests-{uuid.uuid4().hex}", uuid.uuid4().hex
        with mlflow_client(cluster, release) as client:
            run_id = client.create_run(client.create_experiment(name)).info.run_id
            client.log_text(run_id, text, "folder/token.txt")
        return Run(name, run_id, text)

    def read(self, cluster: Any, release: Release, folder: Path) -> "Run":
        """What MLflow knows of it now."""
        with mlflow_client(cluster, release) as client:
            experiment = client.get_experiment(client.get_run(self.run_id).info.experiment_id).name
            text = Path(client.download_artifacts(self.run_id, "folder/token.txt", str(folder))).read_text()
        return Run(experiment, self.run_id, text)
