"""The kinds of objects that Forebay asks an API server for, as the server's paths name them."""

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]  # an object as it stands in YAML


@dataclass(frozen=True)
class ResourceType:
    """A kind of object: its API group, version and plural name."""

    group: str  # empty for the core group
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of one object, of one object's subresource, or of all objects in a namespace.

        Without a namespace it is the path of a cluster-wide kind, or of the objects of all namespaces.
        """
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(filter(None, (f"{root}{scope}/{self.plural}", name, subresource)))


PODS = ResourceType("", "v1", "pods")
EVENTS = ResourceType("", "v1", "events")
DEPLOYMENTS = ResourceType("apps", "v1", "deployments")
SELF_SUBJECT_REVIEWS = ResourceType("authentication.k8s.io", "v1", "selfsubjectreviews")
INFERENCE_SERVICES = ResourceType("serving.kserve.io", "v1beta1", "inferenceservices")
