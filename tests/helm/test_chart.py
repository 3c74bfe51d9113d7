"""helm/forebay: every scenario renders to valid objects and to its golden file; what cannot work is refused."""

import os
import re
from typing import Any

import helm_python
import pytest
import yaml

from forebay.container_images import MLFLOW, SERVE
from forebay.version import VERSION
from support.helm_chart import CHART, GOLDEN, RELEASE, SCENARIOS, golden_text, objects, render, scenario
from support.manifest_checks import pods


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_its_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    text = golden_text(name)
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "make golden"


def test_every_password_has_its_own_value_and_steps_get_that_of_the_store() -> None:
    secrets = {
        each["metadata"]["name"]: each["stringData"] for each in objects(scenario("kind")) if each["kind"] == "Secret"
    }
    for_steps = secrets.pop("mlpipeline-minio-artifact")
    store = secrets["forebay-s3"]
    assert for_steps == {"accesskey": store["access-key"], "secretkey": store["secret-key"]}
    keys = {"AWS_ACCESS_KEY_ID": store["access-key"], "AWS_SECRET_ACCESS_KEY": store["secret-key"]}
    assert secrets.pop("forebay-models-store") == keys
    runner = secrets["forebay-mlflow-runner"]
    login = {"FOREBAY_MLFLOW_USERNAME": runner["username"], "FOREBAY_MLFLOW_PASSWORD": runner["password"]}
    assert secrets.pop("forebay-steps") == login | keys
    assert secrets.pop("kfp-mlflow-credentials") == runner
    assert secrets["forebay-mlflow-runner"]["username"] != secrets["forebay-mlflow-auth"]["username"]
    values = [value for data in secrets.values() for value in data.values()]
    assert len(values) == 8
    assert len(set(values)) == 8


def test_a_stores_volume_keeps_its_modes_and_a_rollback_replaces_a_broken_pod() -> None:
    stores = [each["spec"] for each in objects({}) if each["kind"] == "StatefulSet"]
    assert len(stores) == 2
    for spec in stores:
        assert spec["template"]["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
        assert spec["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize("part", ["mlflow", "postgres", "s3"])
def test_a_part_runs_where_its_values_say_and_the_others_anywhere(part: str) -> None:
    where = {"nodeSelector": {"pool": "platform"}, "tolerations": [{"key": "platform", "operator": "Exists"}]}
    pods = {
        each["metadata"]["name"].removeprefix(f"{RELEASE}-"): each["spec"]["template"]["spec"]
        for each in objects({part: where})
        if each["kind"] in ("Deployment", "StatefulSet")
    }
    assert {name for name, pod in pods.items() if "nodeSelector" in pod or "tolerations" in pod} == {part}
    assert {name: pods[part][name] for name in where} == where


def test_our_images_are_the_packages_and_a_digest_decides_where_one_is_given() -> None:
    images = {pod.spec["containers"][0]["image"] for pod in pods(objects({}))}
    assert {MLFLOW, SERVE} <= images
    runtimes = [each for each in objects(scenario("cloud-gpu")) if each["kind"] == "ServingRuntime"]
    (image,) = {runtime["spec"]["containers"][0]["image"] for runtime in runtimes}
    assert image.startswith(f"registry.example.com/team/{SERVE}@sha256:fedcba")


def test_the_charts_version_is_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (VERSION, VERSION)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"database": {"mode": "external"}}, 'host is "" and externalDatabase.existingSecret is "": both are needed'),
        ({"externalDatabase": {"host": "db"}}, "Set database.mode=external"),
        (
            {"externalS3": {"endpoint": "http://x"}},
            'bundled, externalS3.endpoint is "http://x" and .* Set objectStore.mode=external',
        ),
        ({"database": {"mode": "sqlite"}, "mlflow": {"replicas": 2}}, "mlflow.replicas is 2"),
        (
            {"signing": {"enabled": True, "verifyKeys": "public.pem"}},
            "holds no public key in PEM. .*--set-file sig",
        ),
        ({"signing": {"enabled": True}, "pipelines": {"enabled": False}}, "no step would be told"),
        ({"signing": {"verifyKeys": "-----BEGIN PUBLIC KEY-----"}}, "signing.enabled is false: every model of a pip"),
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


def test_a_template_file_holds_one_resource() -> None:
    for name in SCENARIOS:
        for path, text in render(scenario(name)).items():
            found = [each for each in yaml.safe_load_all(text) if each] if path.endswith(".yaml") else []
            assert len(found) <= 1, path
    sources = {path: path.read_text() for path in CHART.glob("templates/**/*.yaml")}
    assert [path.name for path, text in sources.items() if len(re.findall(r"^kind: ", text, re.M)) > 1] == []


def test_every_template_is_rendered_in_some_scenario() -> None:
    rendered = {path for name in SCENARIOS for path in render(scenario(name))}
    there = {str(path.relative_to(CHART / "templates")) for path in CHART.glob("templates/**/*.yaml")}
    assert there - rendered == {"refuse.yaml", "refuse-absent.yaml"}


def test_the_oldest_kubernetes_includes_the_suffixes_of_clouds() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == ">=1.30.0-0"
