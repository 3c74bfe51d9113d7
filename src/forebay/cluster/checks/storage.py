"""Checks of storage: a class for volumes, and the volumes that the platform asked for."""

from collections.abc import Iterator
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.inspected_cluster import CLAIMS, STORAGE_CLASSES, InspectedCluster, run_check
from forebay.install.facts.cluster_facts import SET_DEFAULT_CLASS, is_default_class
from forebay.kube.resource_types import Object
from forebay.settings.namespaces import PIPELINES, PLATFORM


def storage_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """Storage classes, then claims."""
    yield run_check("storage", partial(_classes, cluster))
    yield run_check("volumes", partial(_claims, cluster))


def _classes(cluster: InspectedCluster) -> CheckResult:
    found = {each["metadata"]["name"]: is_default_class(each) for each in cluster.api.list_all(STORAGE_CLASSES, "")}
    known = ", ".join(found) or "none at all"
    named = {each["spec"].get("storageClassName") or "" for each in _platform_claims(cluster)}
    unknown = sorted(name for name in named - set(found) if name)
    if unknown:
        return failed(
            "storage",
            f"volumes ask for the storage class {', '.join(unknown)}, and there is {known}",
            "Make that class, or name another in the values of the chart.",
        )
    default = [name for name, marked in found.items() if marked]
    if default:
        return passed("storage", f"default class {default[0]}, of {known}")
    if named - {""}:
        return passed("storage", f"no default class; the volumes name theirs: {', '.join(sorted(named - {''}))}")
    return failed(
        "storage", f"there is no default storage class, of {known}", f"Mark one: {cluster.kubectl(SET_DEFAULT_CLASS)}."
    )


def _claims(cluster: InspectedCluster) -> CheckResult:
    found = _platform_claims(cluster)
    waiting = [each for each in found if (each.get("status") or {}).get("phase") != "Bound"]
    if not waiting:
        return passed("volumes", f"{len(found)} of {PLATFORM} and {PIPELINES} are bound")
    names = [f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in waiting]
    first = waiting[0]["metadata"]
    describe = cluster.kubectl(f"describe pvc {first['name']} --namespace {first['namespace']}")
    return failed("volumes", f"not bound: {', '.join(names)}", f"{describe} says what they wait for.")


def _platform_claims(cluster: InspectedCluster) -> list[Object]:
    return [each for namespace in (PLATFORM, PIPELINES) for each in cluster.api.list_all(CLAIMS, namespace)]
