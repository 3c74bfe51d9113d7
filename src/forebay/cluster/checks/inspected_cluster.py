"""The cluster that is checked, and the result of a check that a person has no right to make."""

from collections.abc import Callable
from dataclasses import dataclass

from forebay.backend.check import CheckResult, failed_with, passed
from forebay.kube.client import ApiError, KubeClient
from forebay.kube.resource_types import ResourceType
from forebay.settings import DeployConfig
from forebay.settings.namespaces import PIPELINES, PLATFORM

MODELS = DeployConfig().namespace  # where models are served unless somebody sets another namespace
PLATFORM_NAMESPACES = (PLATFORM, PIPELINES, MODELS)

NODES = ResourceType("", "v1", "nodes")
CONFIG_MAPS = ResourceType("", "v1", "configmaps")
SECRETS = ResourceType("", "v1", "secrets")
CLAIMS = ResourceType("", "v1", "persistentvolumeclaims")
STORAGE_CLASSES = ResourceType("storage.k8s.io", "v1", "storageclasses")
STATEFUL_SETS = ResourceType("apps", "v1", "statefulsets")
RUNTIMES = ResourceType("serving.kserve.io", "v1alpha1", "servingruntimes")


@dataclass(frozen=True)
class InspectedCluster:
    """A cluster: the connection to it, and how commands for people name it."""

    api: KubeClient
    context: str = ""  # a context of the kubeconfig; empty for the current one

    def kubectl(self, arguments: str) -> str:
        """A command for a person, in backquotes."""
        return f"`kubectl --context {self.context} {arguments}`" if self.context else f"`kubectl {arguments}`"

    @property
    def install_command(self) -> str:
        """The command that completes the platform."""
        return f"`forebay up --cluster current{f' --context {self.context}' if self.context else ''}`"


def run_check(name: str, check: Callable[[], CheckResult]) -> CheckResult:
    """The result of a check, or why it could not be made."""
    try:
        return check()
    except ApiError as error:
        return from_api_error(name, error)


def from_api_error(name: str, error: ApiError) -> CheckResult:
    """A missing right to look is no fault of the cluster and passes, with a note; every other error is a failure."""
    if error.status == 403:
        return passed(name, f"not checked, you lack the right: {error.server_message}")
    return failed_with(name, error)
