"""References: objects of the set that others name are in the set."""

from collections.abc import Collection, Iterator

from support.manifest_checks.findings import Finding, Object, Pod, containers, namespace, pods, where


def check_references(objects: list[Object], others: Collection[str] = ()) -> list[Finding]:
    """Service accounts, ConfigMaps with their keys, claims, a StatefulSet's Service and a binding's Role are there.

    `others` names what somebody else makes, such as `ConfigMap/kube-root-ca.crt`, whatever its namespace.
    """
    there = {f"{each['kind']} {namespace(each)}/{each['metadata']['name']}": each for each in objects}
    known = {f"{each['kind']}/{each['metadata']['name']}" for each in objects}
    found = []
    for place, field, kind, space, name in _named(objects):
        if f"{kind}/{name}" in others or f"{kind} {space}/{name}" in there:
            continue
        rule = f"there is no {kind} {name} in {space or 'the cluster'}"
        found.append(Finding(place, field, rule + (", only elsewhere" if f"{kind}/{name}" in known else "")))
    return found + [finding for pod in pods(objects) for finding in _config_keys(pod, there)]


_Named = tuple[str, str, str, str, str]  # where, field, kind, namespace, name


def _named(objects: list[Object]) -> Iterator[_Named]:
    for pod in pods(objects):
        yield from _of_pod(pod)
    for each in objects:
        space = namespace(each)
        if each["kind"] == "StatefulSet" and each["spec"].get("serviceName"):
            yield where(each), "spec.serviceName", "Service", space, each["spec"]["serviceName"]
        if each["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            reference = each["roleRef"]
            yield (
                where(each),
                "roleRef",
                reference["kind"],
                space if reference["kind"] == "Role" else "",
                reference["name"],
            )


def _of_pod(pod: Pod) -> Iterator[_Named]:
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default":
        yield pod.where, f"{pod.path}.serviceAccountName", "ServiceAccount", pod.namespace, account
    for volume in pod.spec.get("volumes", []):
        field = f"{pod.path}.volumes[{volume['name']}]"
        if "configMap" in volume and not volume["configMap"].get("optional"):
            yield pod.where, field, "ConfigMap", pod.namespace, volume["configMap"]["name"]
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            yield pod.where, field, "PersistentVolumeClaim", pod.namespace, claim
    for path, container in containers(pod):
        for source in container.get("envFrom", []):
            if "configMapRef" in source and not source["configMapRef"].get("optional"):
                yield pod.where, f"{path}.envFrom", "ConfigMap", pod.namespace, source["configMapRef"]["name"]


def _config_keys(pod: Pod, there: dict[str, Object]) -> Iterator[Finding]:
    """Keys of ConfigMaps, where the ConfigMap is known."""
    wanted = [
        (f"{path}.env[{variable['name']}]", variable["valueFrom"]["configMapKeyRef"])
        for path, container in containers(pod)
        for variable in container.get("env", [])
        if "configMapKeyRef" in variable.get("valueFrom", {})
    ]
    for volume in pod.spec.get("volumes", []):
        source = volume.get("configMap", {})
        field = f"{pod.path}.volumes[{volume['name']}]"
        wanted += [(field, {"name": source["name"], "key": item["key"]}) for item in source.get("items", [])]
    for field, reference in wanted:
        config = there.get(f"ConfigMap {pod.namespace}/{reference['name']}")
        if config is None or reference.get("optional"):
            continue
        if reference["key"] not in {**config.get("data", {}), **config.get("binaryData", {})}:
            rule = f"nobody writes the key {reference['key']} of the ConfigMap {reference['name']}"
            yield Finding(pod.where, field, rule)
