"""Every scenario of the chart, as a real API server takes it: admission, defaults and the pinned CRDs included."""

import copy
from typing import Any

import pytest

from support.helm_chart import SCENARIOS, Object, objects, scenario

MONITORING = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def apply(cluster: Any, each: Object) -> None:
    """Ask what applying would do; nothing is changed."""
    api = cluster.resources.get(api_version=each["apiVersion"], kind=each["kind"])
    cluster.server_side_apply(
        api,
        body=each,
        name=each["metadata"]["name"],
        namespace=each["metadata"].get("namespace"),
        field_manager="forebay-tests",
        dry_run="All",
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_taken_whole(cluster: Any, namespaces: tuple[str, ...], name: str) -> None:
    from kubernetes.dynamic.exceptions import ResourceNotFoundError

    taken = 0
    for each in objects(scenario(name)):
        if "helm.sh/hook" in each["metadata"].get("annotations", {}):
            continue  # its service account comes with a controller manager
        try:
            apply(cluster, each)
        except ResourceNotFoundError:
            assert each["kind"] in MONITORING, "install the pinned CRDs of KServe first"
        else:
            taken += 1
    assert taken > 10


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("ServingRuntime", ("spec", "containers"), None, "containers"),
        ("ServingRuntime", ("spec", "supportedModelFormats"), "forebay", "supportedModelFormats"),
        ("Deployment", ("spec", "replicas"), "two", "replicas"),
        ("Deployment", ("spec", "template", "spec", "contaners"), [], "contaners"),
        ("NetworkPolicy", ("spec", "policyTypes"), ["Sideways"], "policyTypes"),
    ],
)
def test_a_planted_mistake_is_refused(
    cluster: Any, namespaces: tuple[str, ...], kind: str, path: tuple[str, ...], value: Any, said: str
) -> None:
    from kubernetes.dynamic.exceptions import DynamicApiError

    broken = copy.deepcopy(next(each for each in objects({}) if each["kind"] == kind))
    place = broken
    for word in path[:-1]:
        place = place[word]
    place[path[-1]] = value
    with pytest.raises(DynamicApiError, match=said):
        apply(cluster, broken)
