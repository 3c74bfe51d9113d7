"""Secrets: every key that something reads is written by the set, or is somebody else's by agreement."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from support.manifest_checks.findings import Finding, Object, Pod, containers, namespace, pods, where

Wanted = tuple[str, str, str, str | None]  # where, field, Secret, key (None: any)


def check_secret_keys(objects: list[Object], others: Mapping[str, Collection[str]] | None = None) -> list[Finding]:
    """Every Secret and key that a pod or a monitor reads is there.

    Args:
        objects: the whole set.
        others: Secrets that somebody else writes, by name, with the keys that they are asked to have.
    """
    written: dict[str, set[str]] = {name: set(keys) for name, keys in (others or {}).items()}
    for each in objects:
        if each["kind"] == "Secret":
            keys = {**each.get("data", {}), **each.get("stringData", {})}
            written.setdefault(f"{namespace(each)}/{each['metadata']['name']}", set()).update(keys)
    found = []
    for space, (place, field, name, key) in _wanted(objects):
        keys_there = written.get(f"{space}/{name}", written.get(name))
        if keys_there is None:
            found.append(Finding(place, field, f"nobody writes the Secret {name}"))
        elif key is not None and key not in keys_there:
            found.append(Finding(place, field, f"nobody writes the key {key} of the Secret {name}"))
    return found


def _wanted(objects: list[Object]) -> Iterator[tuple[str, Wanted]]:
    for pod in pods(objects):
        for wanted in [*_of_environment(pod), *_of_volumes(pod)]:
            yield pod.namespace, wanted
    for each in objects:
        for field, reference in _references(each.get("spec", {}) if each["kind"].endswith("Monitor") else {}):
            yield namespace(each), (where(each), field, reference["name"], reference["key"])


def _of_environment(pod: Pod) -> Iterator[Wanted]:
    for path, container in containers(pod):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield pod.where, f"{path}.env[{variable['name']}]", reference["name"], reference["key"]
        for source in container.get("envFrom", []):
            if "secretRef" in source and not source["secretRef"].get("optional"):
                yield pod.where, f"{path}.envFrom", source["secretRef"]["name"], None


def _of_volumes(pod: Pod) -> Iterator[Wanted]:
    for volume in pod.spec.get("volumes", []):
        sources = [volume.get("secret", {})] + [
            s.get("secret", {}) for s in volume.get("projected", {}).get("sources", [])
        ]
        for source in sources:
            name = source.get("secretName", source.get("name"))
            if name and not source.get("optional"):
                for key in [item["key"] for item in source.get("items", [])] or [None]:
                    yield pod.where, f"{pod.path}.volumes[{volume['name']}]", name, key
    for secret in pod.spec.get("imagePullSecrets", []):
        yield pod.where, f"{pod.path}.imagePullSecrets", secret["name"], None


def _references(value: Any, path: str = "spec") -> Iterator[tuple[str, dict[str, str]]]:
    """Pairs of name and key anywhere in a monitor."""
    if isinstance(value, dict):
        if set(value) == {"name", "key"}:
            yield path, value
        for key, inner in value.items():
            yield from _references(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner, path)
