"""The KServe InferenceService of a model version, as pure data."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from forebay.errors import ConfigError
from forebay.kube.labels import DOMAIN, MANAGER, MANAGER_LABEL, component_labels
from forebay.kube.pod_security import restricted_container, restricted_pod
from forebay.settings.gpu import GPU_RESOURCE
from forebay.version import VERSION

API_VERSION = "serving.kserve.io/v1beta1"
SERVING_RUNTIME = "forebay"  # the ServingRuntime that the chart brings
GPU_SERVING_RUNTIME = "forebay-gpu"  # the same server, on nodes with GPUs
MODEL_FORMAT = "forebay"
VERSION_LABEL = f"{DOMAIN}/model-version"  # KServe copies it to the pods
ROLLOUT_LABEL = f"{DOMAIN}/rollout"  # a digest: the same version with other settings or of another run has another
SERVICE_ACCOUNT = "forebay-models"  # the chart gives this account the store's credentials
NAME_LENGTH = 50  # KServe appends -predictor and more to it, and a DNS label ends at 63


@dataclass(frozen=True, kw_only=True)
class ServerResources:
    """What the server's container asks for, in Kubernetes' notation."""

    cpu: str = "250m"
    memory: str = "1Gi"
    memory_limit: str = "2Gi"  # no limit on CPU: it would only slow down answers while cores idle
    gpus: int = 0
    gpu_resource: str = GPU_RESOURCE  # or a MIG slice: the chart's gpu.resource


@dataclass(frozen=True, kw_only=True)
class ModelDeployment:
    """A model version, how it is served, and where it came from."""

    name: str
    version: str
    storage_uri: str  # the bundle's folder
    weights_sha256: str
    data_digest: str
    code_version: str
    run_id: str
    namespace: str
    bundle_digest: str = ""  # covers every file; empty for a version that was registered without one
    replicas: int = 1
    service_account: str = SERVICE_ACCOUNT  # its credentials fetch the storage URI
    resources: ServerResources = field(default_factory=ServerResources)
    variables: Mapping[str, str] = field(default_factory=dict)  # the server's environment variables


def inference_service(wanted: ModelDeployment) -> dict[str, Any]:
    """Build the object: Standard mode (no Knative), our runtime, nothing that needs privileges.

    Raises:
        ConfigError: Kubernetes does not allow the name.
    """
    check_name(wanted.name)
    predictor = _predictor(wanted)
    annotations = {
        "serving.kserve.io/deploymentMode": "Standard",
        f"{DOMAIN}/weights-sha256": wanted.weights_sha256,
        **({f"{DOMAIN}/bundle-digest": wanted.bundle_digest} if wanted.bundle_digest else {}),
        f"{DOMAIN}/data-digest": wanted.data_digest,
        f"{DOMAIN}/code-version": wanted.code_version,
        f"{DOMAIN}/run-id": wanted.run_id,
    }
    pod_facts = json.dumps([VERSION, annotations, predictor], sort_keys=True)  # KServe hands all of it to the pods
    labels = {
        **component_labels("serve"),
        MANAGER_LABEL: MANAGER,
        VERSION_LABEL: wanted.version,
        ROLLOUT_LABEL: hashlib.sha256(pod_facts.encode()).hexdigest()[:16],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {
            "name": wanted.name, "namespace": wanted.namespace, "labels": labels, "annotations": annotations
        },
        "spec": {"predictor": predictor},
    }  # fmt: skip


def rollout_labels(service: Mapping[str, Any]) -> dict[str, str]:
    """The labels that the pods of exactly this rollout have."""
    labels = service["metadata"].get("labels") or {}
    return {key: str(labels[key]) for key in (VERSION_LABEL, ROLLOUT_LABEL) if key in labels}


def _predictor(wanted: ModelDeployment) -> dict[str, Any]:
    return {
        "serviceAccountName": wanted.service_account,
        "minReplicas": wanted.replicas,
        "maxReplicas": wanted.replicas,
        # The old pod answers until the new one is ready.
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "securityContext": restricted_pod(),
        "model": {
            "modelFormat": {"name": MODEL_FORMAT},
            "runtime": GPU_SERVING_RUNTIME if wanted.resources.gpus else SERVING_RUNTIME,
            "protocolVersion": "v2",
            "storageUri": wanted.storage_uri,
            "args": _arguments(wanted),
            **({"env": [{"name": k, "value": v} for k, v in wanted.variables.items()]} if wanted.variables else {}),
            "resources": _resources(wanted.resources),
            "securityContext": restricted_container(),
        },
    }


def _arguments(wanted: ModelDeployment) -> list[str]:
    """The server's arguments: what to serve, and the digest by which it checks what KServe downloaded."""
    digest = ["--bundle-digest", wanted.bundle_digest] if wanted.bundle_digest else []
    return ["--model-name", wanted.name, "--model-version", wanted.version, *digest]


def _resources(wanted: ServerResources) -> dict[str, dict[str, str]]:
    gpus = {wanted.gpu_resource: str(wanted.gpus)} if wanted.gpus else {}
    return {
        "requests": {"cpu": wanted.cpu, "memory": wanted.memory, **gpus},
        "limits": {"memory": wanted.memory_limit, **gpus},
    }


def check_name(name: str) -> None:
    """Check that a model's name is allowed for an InferenceService.

    Raises:
        ConfigError: the name is not allowed.
    """
    if len(name) > NAME_LENGTH or not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name):
        raise ConfigError(
            f"The model name {name!r} cannot name an InferenceService: expected at most {NAME_LENGTH} lower-case "
            "letters, digits and hyphens, starting with a letter. Give another with --name."
        )
