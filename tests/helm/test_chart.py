"""helm/forebay: every scenario renders to valid objects and to its golden file; what cannot work is refused."""

import itertools
import os
import re
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from chart_rendering import CHART, GOLDEN, RELEASE, SCENARIOS, Object, golden_text, objects, render, scenario
from forebay.container_images import MLFLOW, SERVE
from forebay.version import VERSION

KUBERNETES = ("1.30", "1.33", "1.36")
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True}
CUSTOM = {"ServingRuntime", "ServiceMonitor", "PodMonitor", "PrometheusRule"}  # no schema of theirs is in Kubernetes


def pods(found: list[Object]) -> list[tuple[str, dict[str, Any]]]:
    """Name and pod spec of everything that makes pods."""
    named = []
    for each in found:
        if each["kind"] == "Pod":
            named.append((each["metadata"]["name"], each["spec"]))
        elif "template" in each.get("spec", {}):
            named.append((each["metadata"]["name"], each["spec"]["template"]["spec"]))
    return named


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_its_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    text = golden_text(name)
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "make golden"


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_its_objects_are_valid_in_supported_versions_of_kubernetes(name: str, version: str) -> None:
    checked = 0
    for each in objects(scenario(name)):
        if each["kind"] not in CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_its_pods_keep_the_restricted_standard(name: str) -> None:
    found = pods(objects(scenario(name)))
    assert found
    for owner, spec in found:
        assert spec["automountServiceAccountToken"] is False, owner
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        for container in spec["containers"]:
            context = container["securityContext"]
            assert {key: context[key] for key in RESTRICTED} == RESTRICTED, owner
            assert context["capabilities"] == {"drop": ["ALL"]}, owner
            assert container["resources"]["limits"]["memory"], owner
            assert container["resources"]["requests"]["cpu"], owner


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_object_stands_there_twice_and_no_password_is_the_same_twice(name: str) -> None:
    found = objects(scenario(name))
    keys = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in found]
    assert len(set(keys)) == len(keys)
    secrets = [value for each in found if each["kind"] == "Secret" for value in each["stringData"].values()]
    assert len(set(secrets)) == len(secrets)


def test_our_images_are_the_packages_and_a_digest_decides_where_one_is_given() -> None:
    images = {spec["containers"][0]["image"] for _, spec in pods(objects({}))}
    assert MLFLOW in images
    (runtime,) = [each for each in objects({}) if each["kind"] == "ServingRuntime"]
    assert runtime["spec"]["containers"][0]["image"] == SERVE
    (pinned,) = [each for each in objects(scenario("cloud-gpu")) if each["kind"] == "ServingRuntime"]
    image = pinned["spec"]["containers"][0]["image"]
    assert image.startswith(f"registry.example.com/team/{SERVE}@sha256:fedcba")


def test_the_charts_version_is_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


def test_helm_finds_no_fault() -> None:
    report = helm_python.lint(str(CHART))
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_service_finds_its_pods_and_their_port(name: str) -> None:
    found = objects(scenario(name))
    for service in (each for each in found if each["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        matching = [
            each["spec"]["template"]
            for each in found
            if each["kind"] in ("Deployment", "StatefulSet")
            and selector <= each["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert len(matching) == 1, service["metadata"]["name"]
        opened = {port["name"] for port in matching[0]["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= opened


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_secret_key_that_a_pod_reads_is_written_or_somebody_elses(name: str) -> None:
    values = scenario(name)
    found = objects(values)
    written = {each["metadata"]["name"]: set(each["stringData"]) for each in found if each["kind"] == "Secret"}
    for owner, spec in pods(found):
        for variable in spec["containers"][0].get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and reference["name"].startswith(f"{RELEASE}-") and reference["name"] in written:
                assert reference["key"] in written[reference["name"]], (owner, variable["name"])
            elif reference:
                assert reference["name"] in str(values), (owner, variable["name"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"database": {"mode": "external"}}, "externalDatabase.host and externalDatabase.existingSecret are needed"),
        ({"externalDatabase": {"host": "db"}}, "Set database.mode=external"),
        ({"externalS3": {"endpoint": "http://x"}}, "objectStore.mode is bundled and externalS3 is given"),
        ({"database": {"mode": "sqlite"}, "mlflow": {"replicas": 2}}, "mlflow.replicas is 2"),
    ],
)
def test_what_cannot_work_is_refused_with_the_rule_and_the_fix(values: dict[str, Any], said: str) -> None:
    with pytest.raises(helm_python.HelmError, match=said):
        render(values)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"databse": {"mode": "sqlite"}}, "databse"),
        ({"database": {"mode": "mysql"}}, "/database/mode"),
        ({"mlflow": {"replicas": "two"}}, "/mlflow/replicas"),
        ({"images": {"postgres": "docker.io/library/postgres"}}, "/images/postgres"),
        ({"images": {"s3": "docker.io/rclone/rclone:latest"}}, "/images/s3"),
        ({"s3": {"storage": {"size": "20 GB"}}}, "/s3/storage/size"),
        ({"gpu": {"enabled": True, "resource": "mig-1g.10gb"}}, "/gpu/resource"),
        ({"buckets": {"data": "Forebay_Data"}}, "/buckets/data"),
    ],
)
def test_a_value_that_is_none_is_refused_by_its_place(values: dict[str, Any], where: str) -> None:
    with pytest.raises(helm_python.HelmError, match=where):
        render(values)


def test_every_value_is_explained_where_it_stands() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    keys = [(above, line) for above, line in itertools.pairwise(lines) if re.match(r"\s*\w+:\s*\S", line)]
    unexplained = [
        line.strip()
        for above, line in keys
        if not above.strip().startswith("#") and "#" not in line and not re.match(r"\s*(requests|limits):", line)
    ]
    assert len(keys) > 40
    assert [line for line in unexplained if line not in {'serve: ""', 'mlflow: ""'}] == []
