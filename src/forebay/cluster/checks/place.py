"""The cluster that is looked at, and what is said where a person may not look."""

from collections.abc import Callable
from dataclasses import dataclass

from forebay.backend.check import CheckResult, failed_with, passed
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.resource_types import ResourceType
from forebay.settings import DeployConfig
from forebay.settings.namespaces import PIPELINES, PLATFORM

MODELS = DeployConfig().namespace  # of served models, where nobody sets another
OURS = (PLATFORM, PIPELINES, MODELS)

NODES = ResourceType("", "v1", "nodes")
CONFIG_MAPS = ResourceType("", "v1", "configmaps")
SECRETS = ResourceType("", "v1", "secrets")
CLAIMS = ResourceType("", "v1", "persistentvolumeclaims")
STORAGE_CLASSES = ResourceType("storage.k8s.io", "v1", "storageclasses")
STATEFUL_SETS = ResourceType("apps", "v1", "statefulsets")
RUNTIMES = ResourceType("serving.kserve.io", "v1alpha1", "servingruntimes")


@dataclass(frozen=True)
class Place:
    """The cluster: a connection, and what people's commands call it."""

    api: KubeClient
    context: str = ""  # of the kubeconfig; empty for the current one

    def kubectl(self, words: str) -> str:
        """A command for a person, in backquotes."""
        return f"`kubectl --context {self.context} {words}`" if self.context else f"`kubectl {words}`"

    @property
    def up(self) -> str:
        """The command that completes the platform."""
        return f"`forebay up --cluster current{f' --context {self.context}' if self.context else ''}`"


def guarded(name: str, look: Callable[[], CheckResult]) -> CheckResult:
    """The check that a look gives, or why it gave none."""
    try:
        return look()
    except ApiError as error:
        return unseen(name, error)


def unseen(name: str, error: ApiError) -> CheckResult:
    """What may not be looked at is said, and is no failure of the cluster's; a cluster that breaks off is one."""
    if error.status == 403:
        return passed(name, f"not looked at, you may not: {error.server_message}")
    return failed_with(name, error)
