"""Alert rules and dashboard of the chart: every query parses, and asks for a metric that a server really exports."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from chart_rendering import CHART, objects, scenario
from forebay.serving import metrics

OTHERS = {"up"}  # of Prometheus itself
GRAFANA = {"$__rate_interval": "5m", "$model": ".*"}


def alert_queries() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def panel_queries() -> Iterator[tuple[str, str]]:
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for word, value in GRAFANA.items():
                query = query.replace(word, value)
            yield panel["title"], query


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Sample names that our server exports, each with its labels."""
    from prometheus_client import REGISTRY

    metrics.count_request("digits", "v1", 200, 0.01)
    metrics._MODEL.labels("digits", "1", "w", "d", "c").set(1)
    found: dict[str, set[str]] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def selectors(query: str) -> Iterator[Any]:
    """Every metric selector of a parsed query."""

    def walk(node: Any) -> Iterator[Any]:
        if isinstance(node, promql_parser.VectorSelector):
            yield node
        for name in ("expr", "lhs", "rhs", "param", "vector_selector", "args"):
            inner = getattr(node, name, None)
            for each in inner if isinstance(inner, list) else [inner]:
                if each is not None and not isinstance(each, str):
                    yield from walk(each)

    yield from walk(promql_parser.parse(query))


@pytest.mark.parametrize(("name", "query"), [*alert_queries(), *panel_queries()])
def test_a_query_asks_for_a_metric_and_labels_that_are_exported(
    name: str, query: str, exported: dict[str, set[str]]
) -> None:
    asked = list(selectors(query))
    assert asked, name
    for selector in asked:
        if selector.name in OTHERS:
            continue
        assert selector.name in exported, name
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= exported[selector.name] | {"namespace"}, name
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        known = set.union(*(exported.get(selector.name, set()) for selector in asked))
        assert {label.strip() for label in grouped.split(",")} <= known | {"namespace"}, name


@pytest.mark.parametrize("query", ["sum(rate(forebay_requests_total[5m])", "rate(forebay_requests_total[5x])"])
def test_a_query_that_is_none_would_be_found(query: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        promql_parser.parse(query)


def test_an_alert_says_what_to_do() -> None:
    for group in yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["labels"]["severity"] in {"warning", "critical"}


def test_monitoring_is_behind_its_switch() -> None:
    kinds = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert {each["kind"] for each in objects({})} & kinds == set()
    assert {each["kind"] for each in objects(scenario("cloud-gpu"))} >= kinds
