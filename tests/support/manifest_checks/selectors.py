"""Selectors: what selects pods or Services of the set finds some."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from support.manifest_checks.findings import Finding, Object, Pod, namespace, pods, where

Labels = Mapping[str, str]
_NAME = "kubernetes.io/metadata.name"  # the label that every namespace carries


def check_selectors(objects: list[Object], made_elsewhere: Iterable[Pod] = ()) -> list[Finding]:
    """Services, policies, budgets, monitors and workloads select something that is there.

    Args:
        objects: the whole set.
        made_elsewhere: pods that something outside the set makes, such as KServe's predictors.
    """
    everything = [*pods(objects), *made_elsewhere]
    found: list[Finding] = []
    for each in objects:
        for field, selector, there in _selected(each, objects, everything):
            if not any(matches(selector, labels) for labels in there):
                found.append(Finding(where(each), field, f"matches nothing: {_words(selector)}"))
    return found


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values", [])
    operator = expression["operator"]
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return (value in values) == (operator == "In")


_Selected = tuple[str, Mapping[str, Any], list[Labels]]


def _selected(each: Object, objects: list[Object], everything: list[Pod]) -> Iterator[_Selected]:
    """Field, selector and the labels that it may match."""
    spec = each.get("spec") or {}
    near = [pod.labels for pod in everything if pod.namespace == namespace(each)]
    match each["kind"]:
        case "Service" if spec.get("selector"):
            yield "spec.selector", {"matchLabels": spec["selector"]}, near
        case "PodDisruptionBudget" | "PodMonitor":
            yield "spec.selector", spec.get("selector", {}), near
        case "ServiceMonitor":
            yield "spec.selector", spec["selector"], _services(each, objects)
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet":
            labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
            yield "spec.selector", spec.get("selector", {}), [labels]
        case "NetworkPolicy":
            yield from _of_policy(each, objects, everything)


def _services(each: Object, objects: list[Object]) -> list[Labels]:
    services = [other for other in objects if other["kind"] == "Service" and namespace(other) == namespace(each)]
    return [other["metadata"].get("labels", {}) for other in services]


def _of_policy(each: Object, objects: list[Object], everything: list[Pod]) -> Iterator[_Selected]:
    spec = each["spec"]
    if spec.get("podSelector"):
        yield "spec.podSelector", spec["podSelector"], [p.labels for p in everything if p.namespace == namespace(each)]
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(direction) or []):
            for peer in rule.get(peers, []):
                space = peer_namespace(peer, namespace(each))
                if peer.get("podSelector") and space in {pod.namespace for pod in everything}:
                    field = f"spec.{direction}[{number}].{peers}.podSelector"
                    yield field, peer["podSelector"], [pod.labels for pod in everything if pod.namespace == space]


def peer_namespace(peer: Mapping[str, Any], own: str) -> str | None:
    """The one namespace that a policy's peer names; None where it may be several or somebody else's."""
    if "namespaceSelector" not in peer:
        return own
    name = peer["namespaceSelector"].get("matchLabels", {}).get(_NAME)
    return str(name) if name else None


def _words(selector: Mapping[str, Any]) -> str:
    labels = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    rules = [f"{rule['key']} {rule['operator']}" for rule in selector.get("matchExpressions", [])]
    return ", ".join(labels + rules)
