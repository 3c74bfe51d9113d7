"""Rights: a role grants exactly what a table of uses says, and none grants everything of anything."""

from collections.abc import Iterable, Iterator

from support.manifest_checks.findings import Finding, Object, where

Right = tuple[str, str, str]  # API group, resource, verb
_ROLES = ("Role", "ClusterRole")
_CLIMBING = {"escalate", "bind", "impersonate"}  # each lets its holder grant himself more


def check_roles(objects: list[Object], name: str, needed: Iterable[Right]) -> list[Finding]:
    """The role of this name grants these rights: no fewer, no more."""
    roles = [each for each in objects if each["kind"] in _ROLES and each["metadata"]["name"] == name]
    if len(roles) != 1:
        return [Finding(f"Role {name}", "metadata.name", f"{len(roles)} roles have this name")]
    granted, wanted = set(rights(roles[0])), set(needed)
    more = [
        Finding(where(roles[0]), "rules", f"grants {_words(right)}, which nothing uses") for right in granted - wanted
    ]
    less = [Finding(where(roles[0]), "rules", f"does not grant {_words(right)}") for right in wanted - granted]
    return sorted(more + less, key=str)


def check_wildcards(objects: list[Object]) -> list[Finding]:
    """No role names all verbs, resources or groups, reads Secrets, or lets its holder take more rights."""
    found = []
    for each in objects:
        if each["kind"] not in _ROLES:
            continue
        for rule in each.get("rules") or []:
            for field in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
                if any("*" in word for word in rule.get(field, [])):
                    found.append(Finding(where(each), f"rules.{field}", "holds *: name each one"))
            for verb in sorted(_CLIMBING & set(rule.get("verbs", []))):
                found.append(Finding(where(each), "rules.verbs", f"holds {verb}: its holder could take any right"))
            if "secrets" in rule.get("resources", []) and not rule.get("resourceNames"):
                found.append(Finding(where(each), "rules.resources", "holds secrets without resourceNames"))
    return found


def rights(role: Object) -> Iterator[Right]:
    """Each single right that a role grants."""
    for rule in role.get("rules") or []:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    yield group, resource, verb


def _words(right: Right) -> str:
    group, resource, verb = right
    return f"{verb} on {resource}" + (f" of {group}" if group else "")
