"""Checks of the kinds that the platform works with: the API server serves them, in the versions that are used."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.place import RUNTIMES, Place, guarded
from forebay.kube.resource_types import INFERENCE_SERVICES


@dataclass(frozen=True)
class Needed:
    """Kinds of one API group in one version."""

    name: str  # of the check
    group: str
    version: str
    kinds: tuple[str, ...]
    option: str = ""  # of `forebay up`, where the platform works without them


NEEDED = (
    Needed("cert-manager", "cert-manager.io", "v1", ("certificates", "issuers")),
    Needed("kserve", INFERENCE_SERVICES.group, INFERENCE_SERVICES.version, (INFERENCE_SERVICES.plural,)),
    Needed("kserve", RUNTIMES.group, RUNTIMES.version, (RUNTIMES.plural, "clusterstoragecontainers")),
    Needed("argo", "argoproj.io", "v1alpha1", ("workflows", "workflowtaskresults", "workflowtasksets")),
    Needed("pipelines", "kubeflow.org", "v1beta1", ("scheduledworkflows", "viewers")),
    Needed("trainer", "trainer.kubeflow.org", "v1alpha1", ("trainjobs", "clustertrainingruntimes"), "--with trainer"),
    Needed("trainer", "jobset.x-k8s.io", "v1alpha2", ("jobsets",), "--with trainer"),
    Needed("spark", "sparkoperator.k8s.io", "v1beta2", ("sparkapplications",), "--with spark-operator"),
)


def definitions(place: Place) -> Iterator[CheckResult]:
    """One check for each group; what is optional and absent passes, and what adds it is said."""
    for needed in NEEDED:
        yield guarded(needed.name, partial(_served, place, needed))


def _served(place: Place, needed: Needed) -> CheckResult:
    api = f"{needed.group}/{needed.version}"
    there = place.api.resource_names(needed.group, needed.version)
    absent = [kind for kind in needed.kinds if kind not in (there or ())]
    if not absent:
        return passed(needed.name, f"{api}: {', '.join(needed.kinds)}")
    others = [] if there is not None else place.api.group_versions(needed.group)
    if others:
        return failed(
            needed.name,
            f"{needed.group} is served as {', '.join(others)}, and {needed.version} is used",
            f"Bring it to the version that manifests/versions.yaml names; where it is not somebody else's, {place.up} "
            "does.",
        )
    if needed.option and there is None:
        return passed(needed.name, f"{api} is not installed; `forebay up {needed.option}` adds it")
    return failed(needed.name, f"{api} has no {', '.join(absent)}", f"{place.up} installs what is missing.")
