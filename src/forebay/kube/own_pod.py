"""The pod that this process runs in, as Kubeflow Pipelines and Kubernetes describe it."""

import os
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConfigError
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.resource_types import PODS, Object

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
RUN_LABEL = "pipeline/runid"  # Kubeflow Pipelines sets it
STEP_CONTAINER = "main"  # Argo calls a step's container so; its image is the one that was compiled or pinned


@dataclass(frozen=True, kw_only=True)
class OwnPod:
    """Name, id and namespace of this step's pod."""

    name: str
    uid: str
    namespace: str

    @property
    def reference(self) -> Object:
        """For `metadata.ownerReferences`: the cluster deletes an object that has it when the pod goes."""
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}

    def read(self, api: KubeClient) -> Object:
        """The pod as it is in the cluster.

        Raises:
            ApiError: the API server refuses to show it.
        """
        pod = api.find(PODS, self.namespace, self.name)
        if pod is None:
            raise ApiError(f"The cluster knows no pod {self.namespace}/{self.name}, in which this step runs.")
        return pod


def step_image(pod: Object) -> str:
    """The container image that a step's pod really runs, whatever the compiled pipeline names."""
    containers = pod["spec"]["containers"]
    named = [each["image"] for each in containers if each["name"] == STEP_CONTAINER]
    return str((named or [containers[0]["image"]])[0])


def pipeline_run_id(pod: Object) -> str:
    """The id of the pipeline run that a step's pod belongs to, the same for each try; else the pod's own id."""
    return str((pod["metadata"].get("labels") or {}).get(RUN_LABEL) or pod["metadata"]["uid"])


def own_pod() -> OwnPod:
    """The pod of this step.

    Raises:
        ConfigError: this process does not run in a step's pod of Kubeflow Pipelines.
    """
    name, uid = os.environ.get("KFP_POD_NAME", ""), os.environ.get("KFP_POD_UID", "")
    if not (name and uid and NAMESPACE_FILE.is_file()):
        raise ConfigError(
            "This is no step of Kubeflow Pipelines in a pod with a service account (KFP_POD_NAME, KFP_POD_UID and "
            f"{NAMESPACE_FILE} would say so), so it can run no job on a cluster. Upload the compiled pipeline to one."
        )
    return OwnPod(name=name, uid=uid, namespace=NAMESPACE_FILE.read_text().strip())
