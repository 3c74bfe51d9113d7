"""Checks that the API server serves the kinds that the platform uses, in the versions that it uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from forebay.backend.check import CheckResult, failed, passed
from forebay.cluster.checks.inspected_cluster import RUNTIMES, InspectedCluster, run_check
from forebay.kube.resource_types import INFERENCE_SERVICES


@dataclass(frozen=True)
class RequiredKinds:
    """Kinds of one API group in one version."""

    check: str  # name of the check
    group: str
    version: str
    kinds: tuple[str, ...]
    option: str = ""  # option of `forebay up`; set where the platform works without these kinds


REQUIRED_KINDS = (
    RequiredKinds("cert-manager", "cert-manager.io", "v1", ("certificates", "issuers")),
    RequiredKinds("kserve", INFERENCE_SERVICES.group, INFERENCE_SERVICES.version, (INFERENCE_SERVICES.plural,)),
    RequiredKinds("kserve", RUNTIMES.group, RUNTIMES.version, (RUNTIMES.plural, "clusterstoragecontainers")),
    RequiredKinds("argo", "argoproj.io", "v1alpha1", ("workflows", "workflowtaskresults", "workflowtasksets")),
    RequiredKinds("pipelines", "kubeflow.org", "v1beta1", ("scheduledworkflows", "viewers")),
    RequiredKinds(
        "trainer", "trainer.kubeflow.org", "v1alpha1", ("trainjobs", "clustertrainingruntimes"), "--with trainer"
    ),
    RequiredKinds("trainer", "jobset.x-k8s.io", "v1alpha2", ("jobsets",), "--with trainer"),
    RequiredKinds("spark", "sparkoperator.k8s.io", "v1beta2", ("sparkapplications",), "--with spark-operator"),
)


def definition_checks(cluster: InspectedCluster) -> Iterator[CheckResult]:
    """One check for each group; an optional group that is absent passes, and the result says what adds it."""
    for needed in REQUIRED_KINDS:
        yield run_check(needed.check, partial(_served, cluster, needed))


def _served(cluster: InspectedCluster, needed: RequiredKinds) -> CheckResult:
    api = f"{needed.group}/{needed.version}"
    served = cluster.api.resource_names(needed.group, needed.version)
    absent = [kind for kind in needed.kinds if kind not in (served or ())]
    if not absent:
        return passed(needed.check, f"{api}: {', '.join(needed.kinds)}")
    others = [] if served is not None else cluster.api.group_versions(needed.group)
    if others:
        return failed(
            needed.check,
            f"{needed.group} is served as {', '.join(others)}, and {needed.version} is used",
            "Install the version that manifests/versions.yaml names; where nobody else installed it, "
            f"{cluster.install_command} does.",
        )
    if needed.option and served is None:
        return passed(needed.check, f"{api} is not installed; `forebay up {needed.option}` adds it")
    return failed(
        needed.check, f"{api} has no {', '.join(absent)}", f"{cluster.install_command} installs what is missing."
    )
