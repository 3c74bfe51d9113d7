"""Upgrades: what Kubernetes cannot change in place, and what holds data or passwords, stays as it was."""

from typing import Any

from support.manifest_checks.findings import Finding, Object, namespace, where

# Fields of a StatefulSet that may be changed; all others are immutable.
_MUTABLE = {
    "replicas",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "ordinals",
}
_MUTABLE |= {"revisionHistoryLimit"}


def check_upgrade(previous: list[Object], current: list[Object]) -> list[Finding]:
    """What the previous rendering kept or could not change is in the current one, unchanged."""
    now = {where(each): each for each in kept(current)}
    found = []
    for each in kept(previous):
        other = now.get(where(each))
        if other is None:
            rule = "is gone or renamed: what it holds would be lost to the new release"
            found.append(Finding(where(each), "metadata.name", rule))
            continue
        if gone := sorted(set(each.get("keys", [])) - set(other.get("keys", []))):
            found.append(Finding(where(each), "keys", f"{gone} are gone"))
        if each.get("immutable") != other.get("immutable"):
            rule = (
                f"was {each.get('immutable')!r} and is {other.get('immutable')!r}; Kubernetes changes it in no object"
            )
            found.append(Finding(where(each), "spec", rule))
        if _policy(each) and not _policy(other):
            found.append(
                Finding(where(each), "metadata.annotations", "was kept when the release goes, and is no longer")
            )
    return found


def kept(objects: list[Object]) -> list[Object]:
    """Of a rendering, only what an upgrade must not change: small enough to be committed, and without a password."""
    parts = [_kept_part(each) for each in objects]
    return sorted((part for part in parts if part is not None), key=where)


def _kept_part(each: Object) -> Object | None:
    if "keys" in each or "immutable" in each:
        return each  # it is such a part already
    metadata: dict[str, Any] = {"name": each["metadata"]["name"]}
    if namespace(each):
        metadata["namespace"] = namespace(each)
    if _policy(each):
        metadata["annotations"] = {"helm.sh/resource-policy": _policy(each)}
    part = {"kind": each["kind"], "metadata": metadata}
    if each["kind"] == "Secret":
        return {**part, "keys": sorted({**each.get("data", {}), **each.get("stringData", {})})}
    fixed = _IMMUTABLE.get(each["kind"])
    return None if fixed is None else {**part, "immutable": fixed(each)}


def _policy(each: Object) -> str:
    return str(each["metadata"].get("annotations", {}).get("helm.sh/resource-policy", ""))


def _claim(each: Object) -> Object:
    return {key: value for key, value in each["spec"].items() if key != "resources"}  # a size may grow


def _stateful(spec: Object) -> Object:
    return {key: value for key, value in spec.items() if key not in _MUTABLE}


_IMMUTABLE = {
    "PersistentVolumeClaim": _claim,
    "StatefulSet": lambda each: _stateful(each["spec"]),
    "Deployment": lambda each: {"selector": each["spec"]["selector"]},
    "PriorityClass": lambda each: {key: each.get(key) for key in ("value", "preemptionPolicy")},
    "RoleBinding": lambda each: {"roleRef": each["roleRef"]},
    "ClusterRoleBinding": lambda each: {"roleRef": each["roleRef"]},
}
