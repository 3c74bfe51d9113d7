"""What rendered Kubernetes objects need from a cluster: storage, Secrets, CPU and memory, kinds. It talks to none."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
ROLLED_OUT = ("Deployment", "StatefulSet", "DaemonSet")


def quantity(value: object) -> Decimal:
    """A number in Kubernetes' notation, such as `250m` or `1Gi`; 0 where it is malformed."""
    from kubernetes.utils import parse_quantity

    try:
        return Decimal(parse_quantity(str(value)))
    except ValueError:
        return Decimal(0)


def is_hook(each: Object) -> bool:
    """Whether helm runs the object at some moment rather than keeping it."""
    return "helm.sh/hook" in (each["metadata"].get("annotations") or {})


def namespace_of(each: Object) -> str:
    """The namespace that an object names."""
    return str(each["metadata"].get("namespace") or "")


def rolled_out(objects: Iterable[Object]) -> list[Object]:
    """The Deployments, StatefulSets and DaemonSets among objects."""
    return [each for each in objects if each["kind"] in ROLLED_OUT]


def pod_specs(each: Object) -> Iterator[Object]:
    """The specs of the pods that an object makes; most objects make none."""
    spec = each.get("spec") or {}
    if each["kind"] == "Pod":
        yield spec
    elif each["kind"] in (*ROLLED_OUT, "Job"):
        yield spec["template"]["spec"]
    elif each["kind"] == "CronJob":
        yield spec["jobTemplate"]["spec"]["template"]["spec"]


def all_containers(each: Object) -> Iterator[Object]:
    """The containers of an object's pods, init containers included."""
    for pod in pod_specs(each):
        yield from pod.get("initContainers") or []
        yield from pod["containers"]


def requested_storage_classes(objects: Iterable[Object]) -> dict[str, str]:
    """One claim for each storage class that claims name; the empty class is the cluster's default."""
    found: dict[str, str] = {}
    for each in objects:
        claims = [each] if each["kind"] == "PersistentVolumeClaim" else []
        claims += (each.get("spec") or {}).get("volumeClaimTemplates") or [] if each["kind"] == "StatefulSet" else []
        for claim in claims:
            name = claim["spec"].get("storageClassName")
            if name != "":  # an empty name asks for a volume that was made by hand
                found.setdefault(name or "", f"{each['kind']} {each['metadata']['name']}")
    return found


def total_requests(objects: Iterable[Object]) -> dict[str, Decimal]:
    """CPU (cores) and memory (bytes) that all pods request together."""
    total = {"cpu": Decimal(0), "memory": Decimal(0)}
    for each in rolled_out(objects):
        replicas = (each.get("spec") or {}).get("replicas", 1)
        for pod in pod_specs(each):
            for container in pod["containers"]:
                asked = (container.get("resources") or {}).get("requests") or {}
                for name in total:
                    total[name] += replicas * quantity(asked.get(name, 0))
    return total


def missing_secrets(objects: Iterable[Object], default_namespace: str) -> dict[tuple[str, str], set[str]]:
    """Secrets that pods need and that no object creates: their keys, by namespace and name.

    Args:
        objects: everything that would be installed.
        default_namespace: the namespace of objects that name none.
    """
    objects = [each for each in objects if not is_hook(each) and (each.get("spec") or {}).get("replicas") != 0]
    created = {
        (namespace_of(each) or default_namespace, _created_secret(each))
        for each in objects
        if each["kind"] in ("Secret", "Certificate")
    }
    needed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in objects:
        for name, keys in _references(each):
            needed[(namespace_of(each) or default_namespace, name)] |= keys
    return {secret: keys for secret, keys in needed.items() if secret not in created}


def _created_secret(each: Object) -> str:
    """The name of the Secret that an object creates; of a Certificate, cert-manager creates it."""
    return str(each["spec"]["secretName"] if each["kind"] == "Certificate" else each["metadata"]["name"])


def _references(each: Object) -> Iterator[tuple[str, set[str]]]:
    for container in all_containers(each):
        for variable in container.get("env") or []:
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            if reference and not reference.get("optional"):
                yield reference["name"], {reference["key"]}
    for pod in pod_specs(each):
        for volume in pod.get("volumes") or []:
            sources = [volume, *(volume.get("projected") or {}).get("sources", [])]
            yield from (found for source in sources for found in _volume(source.get("secret") or {}))
        yield from ((pull["name"], set()) for pull in pod.get("imagePullSecrets") or [])


def _volume(secret: Object) -> Iterator[tuple[str, set[str]]]:
    name = secret.get("secretName") or secret.get("name")
    if name and not secret.get("optional"):
        yield name, {item["key"] for item in secret.get("items") or []}


def custom_api_groups(objects: Iterable[Object]) -> dict[str, str]:
    """API groups that need a CustomResourceDefinition, and one object of each."""
    found: dict[str, str] = {}
    for each in objects:
        group = each["apiVersion"].rpartition("/")[0]
        if "." in group and not group.endswith(".k8s.io"):
            found.setdefault(group, f"{each['kind']} {each['metadata']['name']}")
    return found


def crd_groups(objects: Iterable[Object]) -> dict[str, str]:
    """The API groups of the CustomResourceDefinitions among objects, by name."""
    kind = "CustomResourceDefinition"
    return {each["metadata"]["name"]: each["spec"]["group"] for each in objects if each["kind"] == kind}
