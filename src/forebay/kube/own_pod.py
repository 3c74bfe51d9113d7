"""The pod that this process runs in, as Kubeflow Pipelines and Kubernetes tell it."""

import os
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConfigError
from forebay.kube.client import PODS, Api, ApiError, Object

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
RUN_LABEL = "pipeline/runid"  # Kubeflow Pipelines'
CONTAINER = "main"  # Argo's name for the container of a step; its image is the one that was compiled or pinned


@dataclass(frozen=True, kw_only=True)
class OwnPod:
    """Name, id and namespace of the step's pod."""

    name: str
    uid: str
    namespace: str

    @property
    def reference(self) -> Object:
        """For `metadata.ownerReferences`: what has it is removed with the pod, however that ends."""
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}

    def look(self, api: Api) -> Object:
        """The pod as the cluster knows it.

        Raises:
            ApiError: the API server refuses to show it.
        """
        pod = api.find(PODS, self.namespace, self.name)
        if pod is None:
            raise ApiError(f"The cluster knows no pod {self.namespace}/{self.name}, in which this step runs.")
        return pod


def image_of(pod: Object) -> str:
    """The image of a step's pod, whatever the compiled pipeline was made to call it."""
    containers = pod["spec"]["containers"]
    named = [each["image"] for each in containers if each["name"] == CONTAINER]
    return str((named or [containers[0]["image"]])[0])


def run_of(pod: Object) -> str:
    """The id of the pipeline run that a step's pod belongs to; its tries share it. The pod's own where it has none."""
    return str((pod["metadata"].get("labels") or {}).get(RUN_LABEL) or pod["metadata"]["uid"])


def own_pod() -> OwnPod:
    """The pod of this step.

    Raises:
        ConfigError: this process is no step in a pod of Kubeflow Pipelines.
    """
    name, uid = os.environ.get("KFP_POD_NAME", ""), os.environ.get("KFP_POD_UID", "")
    if not (name and uid and NAMESPACE_FILE.is_file()):
        raise ConfigError(
            "This is no step of Kubeflow Pipelines in a pod with a service account (KFP_POD_NAME, KFP_POD_UID and "
            f"{NAMESPACE_FILE} would say so), so it can run no job on a cluster. Upload the compiled pipeline to one."
        )
    return OwnPod(name=name, uid=uid, namespace=NAMESPACE_FILE.read_text().strip())
