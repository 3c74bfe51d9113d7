"""Checks of the nodes: some are ready, and what they have of GPUs."""

import re
from collections.abc import Iterator
from decimal import Decimal

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.place import NODES, Place, unseen
from forebay.install.facts.cluster_facts import total_allocatable
from forebay.kube.client import ApiError
from forebay.kube.pod_problems import find_condition, message_of
from forebay.kube.resource_types import Object

GPU = re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-.+)|amd\.com/gpu|gpu\.intel\.com/.+")  # as device plugins name them


def nodes(place: Place) -> Iterator[CheckResult]:
    """Ready nodes, then GPUs."""
    try:
        found = place.api.list_all(NODES, "")
    except ApiError as error:
        yield unseen("nodes", error)
        return
    yield _ready(place, len(found), _away(found))
    yield _gpus(total_allocatable(found))


def closed(place: Place) -> CheckResult | None:
    """That no node takes a pod without tolerations, and why; None where one does, or where it cannot be known."""
    try:
        found = place.api.list_all(NODES, "")
    except ApiError:
        return None
    away = _away(found)
    return _ready(place, len(found), away) if len(away) == len(found) else None


def _ready(place: Place, count: int, away: list[str]) -> CheckResult:
    if len(away) < count:
        note = f"; the others do not: {', '.join(away)}" if away else ""
        return passed("nodes", f"{count - len(away)} of {count} take pods{note}")
    return failed(
        "nodes",
        f"none of {count} takes pods: {', '.join(away) or 'there is none'}",
        f"{place.kubectl('describe nodes')} says more; a cordoned one is opened by `kubectl uncordon NAME`, a taint is "
        "removed by `kubectl taint nodes NAME KEY-`.",
    )


def _away(found: list[Object]) -> list[str]:
    """Nodes that take no pod of ours, each with why."""
    return [f"{node['metadata']['name']} ({why})" for node in found if (why := _why_not(node))]


def _why_not(node: Object) -> str:
    """What keeps a pod without tolerations away from a node; empty where nothing does."""
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


def _gpus(there: dict[str, Decimal]) -> CheckResult:
    found = {name: count for name, count in there.items() if GPU.fullmatch(name) and count}
    if not found:
        return passed("gpus", "no node offers one; train.gpus=0 and deploy.gpus=0 only")
    return passed("gpus", ", ".join(f"{count:f} {name}" for name, count in sorted(found.items())))
