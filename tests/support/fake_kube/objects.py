"""Objects in memory, and what an API server answers to whoever looks at them: lists, single objects, discovery."""

from typing import Any

Object = dict[str, Any]
# Resource, kind, whether it lives in a namespace; by the path of its API.
Resources = dict[str, list[tuple[str, str, bool]]]
STORAGE: Resources = {
    "/api/v1": [
        ("secrets", "Secret", True),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
        ("namespaces", "Namespace", False),
    ],
    "/apis/storage.k8s.io/v1": [("storageclasses", "StorageClass", False)],
}


class ObjectStore:
    """Objects, the version that the server calls itself, and the kinds that it knows."""

    def __init__(self, objects: list[Object], version: str, resources: Resources) -> None:
        self.objects = objects
        self.version = version
        self.resources = resources

    def look_up(self, path: str) -> Object | None:
        """What a GET of this path gives; None where there is nothing."""
        if path == "/version":
            major, minor, _ = self.version.removeprefix("v").split(".", 2)
            return {"major": major, "minor": minor, "gitVersion": self.version}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group("storage.k8s.io", ["v1"])]}
        if path in self.resources:
            return _resources(path, self.resources[path])
        versions = [api.rpartition("/")[2] for api in self.resources if api.rpartition("/")[0] == path]
        if versions:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(path.removeprefix("/apis/"), versions)}
        return self._objects(path)

    def _objects(self, path: str) -> Object | None:
        for api, resources in self.resources.items():
            for resource, kind, namespaced in resources:
                words = path.removeprefix(api + "/").split("/")
                space = words[1] if namespaced and words[0] == "namespaces" and len(words) > 2 else None
                rest = words[2:] if space else words
                if not path.startswith(api + "/") or rest[0] != resource:
                    continue
                there = [o for o in self.objects if o["kind"] == kind and o["metadata"].get("namespace") == space]
                if len(rest) == 2:
                    return next((o for o in there if o["metadata"]["name"] == rest[1]), None)
                if len(rest) > 2:
                    return None
                version = api.removeprefix("/apis/").removeprefix("/api/")
                return {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": there}
        return None

    def find_object(self, kind: str, name: str) -> Object:
        """One object, to change."""
        return next(each for each in self.objects if each["kind"] == kind and each["metadata"]["name"] == name)

    def remove(self, kind: str, name: str) -> None:
        """Take one object away."""
        self.objects.remove(self.find_object(kind, name))


def _group(name: str, versions: list[str]) -> Object:
    served = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": served, "preferredVersion": served[0]}


def _resources(path: str, resources: list[tuple[str, str, bool]]) -> Object:
    named = [
        {"name": resource, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]}
        for resource, kind, namespaced in resources
    ]
    version = path.removeprefix("/apis/").removeprefix("/api/")
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": named}


def status(code: int, reason: str, message: str = "") -> Object:
    """What a real one answers when it refuses."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message or reason,
    }
