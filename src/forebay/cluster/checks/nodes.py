"""Checks of the nodes: which take pods, and which GPUs they offer."""

import re
from collections.abc import Iterator
from decimal import Decimal

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.inspected_cluster import NODES, InspectedCluster, from_api_error
from forebay.install.facts.cluster_facts import total_allocatable
from forebay.kube.client import ApiError
from forebay.kube.pod_problems import find_condition, message_of
from forebay.kube.resource_types import Object

GPU = re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-.+)|amd\.com/gpu|gpu\.intel\.com/.+")  # as device plugins name them


def node_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """The nodes that take pods, then GPUs."""
    try:
        found = cluster.api.list_all(NODES, "")
    except ApiError as error:
        yield from_api_error("nodes", error)
        return
    yield _ready(cluster, len(found), _unusable(found))
    yield _gpus(total_allocatable(found))


def no_usable_node(cluster: InspectedCluster) -> CheckResult | None:
    """The failed check where no node takes a pod without tolerations; None where one does, or where it is unknown."""
    try:
        found = cluster.api.list_all(NODES, "")
    except ApiError:
        return None
    unusable = _unusable(found)
    return _ready(cluster, len(found), unusable) if len(unusable) == len(found) else None


def _ready(cluster: InspectedCluster, count: int, unusable: list[str]) -> CheckResult:
    if len(unusable) < count:
        note = f"; the others do not: {', '.join(unusable)}" if unusable else ""
        return passed("nodes", f"{count - len(unusable)} of {count} take pods{note}")
    return failed(
        "nodes",
        f"none of {count} takes pods: {', '.join(unusable) or 'there is none'}",
        f"{cluster.kubectl('describe nodes')} says more; a cordoned one is opened by `kubectl uncordon NAME`, a taint "
        "is removed by `kubectl taint nodes NAME KEY-`.",
    )


def _unusable(found: list[Object]) -> list[str]:
    """The nodes that take no pod of ours, each with the reason."""
    return [f"{node['metadata']['name']} ({reason})" for node in found if (reason := _reason_against(node))]


def _reason_against(node: Object) -> str:
    """Why a node takes no pod without tolerations; empty where it takes one."""
    ready = find_condition(node, "Ready")
    if ready.get("status") != "True":
        return f"not ready: {message_of(ready)}" if ready else "not ready"
    if node["spec"].get("unschedulable"):
        return "cordoned"
    taints = [each for each in node["spec"].get("taints") or [] if each.get("effect") in ("NoSchedule", "NoExecute")]
    return ", ".join(f"taint {_taint(each)}" for each in taints)


def _taint(each: Object) -> str:
    value = f"={each['value']}" if each.get("value") else ""
    return f"{each['key']}{value}:{each['effect']}"


def _gpus(allocatable: dict[str, Decimal]) -> CheckResult:
    found = {name: count for name, count in allocatable.items() if GPU.fullmatch(name) and count}
    if not found:
        return passed("gpus", "no node offers one; train.gpus=0 and deploy.gpus=0 only")
    return passed("gpus", ", ".join(f"{count:f} {name}" for name, count in sorted(found.items())))
