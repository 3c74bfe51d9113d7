"""Checks of what runs all the time: the deployments of the platform and of its pieces."""

from collections.abc import Iterator
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.place import STATEFUL_SETS, Place, guarded
from forebay.kube.resource_types import DEPLOYMENTS, Object
from forebay.settings.namespaces import PIPELINES, PLATFORM

PIECES = ("cert-manager", "kserve")  # namespaces of ours; where somebody else installed them, they may be elsewhere
STORE = f"{PLATFORM}-s3"  # the chart's own object store


def workloads(place: Place) -> Iterator[CheckResult]:
    """One check for each namespace."""
    for namespace in (*PIECES, PIPELINES, PLATFORM):
        yield guarded(f"in {namespace}", partial(_available, place, namespace))


def _available(place: Place, namespace: str) -> CheckResult:
    name = f"in {namespace}"
    wanted = [each for each in _of(place, namespace) if each["spec"].get("replicas", 1)]
    if not wanted and namespace in PIECES:
        return passed(name, "nothing runs there; where it is installed elsewhere, it was not looked at")
    if not wanted:
        return failed(name, "nothing runs there", f"{place.up} installs what is missing.")
    missing = [each for each in wanted if _ready(each) < each["spec"].get("replicas", 1)]
    if not missing:
        return passed(name, f"{', '.join(each['metadata']['name'] for each in wanted)} available")
    words = [f"{each['metadata']['name']} ({_ready(each)} of {each['spec'].get('replicas', 1)})" for each in missing]
    pods = place.kubectl(f"get pods --namespace {namespace}")
    events = place.kubectl(f"describe pods --namespace {namespace}")
    return failed(name, f"not available: {', '.join(words)}", f"{pods} shows its pods, {events} why they wait.")


def _of(place: Place, namespace: str) -> list[Object]:
    return [each for kind in (DEPLOYMENTS, STATEFUL_SETS) for each in place.api.list_all(kind, namespace)]


def _ready(each: Object) -> int:
    return int((each.get("status") or {}).get("readyReplicas") or 0)


def own_store(place: Place) -> bool:
    """Whether the chart brought the object store, and so has to have given out its keys."""
    return place.api.find(STATEFUL_SETS, PLATFORM, STORE) is not None
