"""Alert rules and dashboard of the chart: every query parses, and asks for a metric that a server really exports."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from forebay.serving.metrics import REGISTRY
from forebay.serving.repository import model_metrics
from support.helm_chart import CHART, objects, scenario

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
    model_metrics.ModelMetrics("digits").count_request("v1", 200, 0.01)
    model_metrics._MODEL.labels("digits", "1", "w", "d", "c").set(1)
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


def faults(query: str, exported: dict[str, set[str]]) -> list[str]:
    """Metrics and labels of a query that nobody exports, in words."""
    asked = list(selectors(query))
    found = [] if asked else ["it asks for no metric"]
    for selector in asked:
        if selector.name not in OTHERS | set(exported):
            found.append(f"nobody exports {selector.name}")
        elif selector.name not in OTHERS:
            labels = {matcher.name for matcher in selector.matchers.matchers} - exported[selector.name] - {"namespace"}
            found += [f"{selector.name} has no label {label}" for label in sorted(labels)]
    known = set().union({"namespace"}, *(exported.get(selector.name, set()) for selector in asked))
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        found += [
            f"no metric has the label {label.strip()}" for label in grouped.split(",") if label.strip() not in known
        ]
    return found


@pytest.mark.parametrize(("name", "query"), [*alert_queries(), *panel_queries()])
def test_a_query_asks_for_a_metric_and_labels_that_are_exported(
    name: str, query: str, exported: dict[str, set[str]]
) -> None:
    assert faults(query, exported) == [], name


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("rate(forebay_request_total[5m])", "nobody exports forebay_request_total"),
        ('rate(forebay_requests_total{status="500"}[5m])', "forebay_requests_total has no label status"),
        ("sum by (model) (rate(forebay_requests_total[5m]))", "no metric has the label model"),
        ("vector(1)", "it asks for no metric"),
    ],
)
def test_a_query_for_what_nobody_exports_is_found(query: str, said: str, exported: dict[str, set[str]]) -> None:
    assert faults(query, exported) == [said]


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
