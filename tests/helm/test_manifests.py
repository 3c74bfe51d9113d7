"""Every scenario of helm/forebay, checked as objects without a cluster."""

import helm_python
import pytest

from forebay.version import VERSION
from support.helm_chart import CHART, PREDICTOR, SCENARIOS, SPARK, Object, existing_secrets, objects, scenario
from support.manifest_checks import (
    check_custom,
    check_house_rules,
    check_images,
    check_pod_security,
    check_references,
    check_schema,
    check_secret_keys,
    check_selectors,
    check_service_ports,
    check_unique,
    check_wildcards,
    pods,
)

KUBERNETES = ("1.30", "1.33", "1.36")


@pytest.fixture(scope="module", params=SCENARIOS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def found(name: str) -> list[Object]:
    return objects(scenario(name))


def test_helm_finds_no_fault(name: str) -> None:
    report = helm_python.lint(str(CHART), scenario(name), strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_its_objects_are_valid_in_supported_versions_of_kubernetes(found: list[Object], version: str) -> None:
    assert len(found) > 10
    assert check_schema(found, version) == []


def test_its_custom_resources_are_valid(found: list[Object]) -> None:
    assert check_custom(found) == []


def test_its_pods_keep_the_restricted_standard_and_our_rules(found: list[Object]) -> None:
    assert len(list(pods(found))) > 2
    assert check_pod_security(found) == []
    assert check_house_rules(found) == []


def test_its_images_have_tags_and_ours_the_packages_version(found: list[Object]) -> None:
    assert check_images(found, "forebay/", VERSION) == []


def test_what_selects_finds_something(found: list[Object]) -> None:
    assert check_selectors(found, [PREDICTOR, SPARK]) == []


def test_every_port_that_is_named_is_opened(found: list[Object]) -> None:
    assert check_service_ports(found) == []


def test_every_secret_key_that_is_read_is_written_or_somebody_elses(name: str, found: list[Object]) -> None:
    assert check_secret_keys(found, existing_secrets(scenario(name))) == []


def test_what_is_named_is_there_once_and_grants_not_everything(found: list[Object]) -> None:
    assert check_references(found) == []
    assert check_unique(found) == []
    assert check_wildcards(found) == []


def test_its_servers_serve_a_folder_and_so_show_no_page_unless_that_is_set(found: list[Object]) -> None:
    runtimes = [each["spec"]["containers"] for each in found if each["kind"] == "ServingRuntime"]
    assert runtimes
    for [container] in runtimes:
        assert container["args"][:2] == ["--models", "/mnt/models"]
        assert "FOREBAY_SERVE_PAGE" not in [variable["name"] for variable in container.get("env", [])]
