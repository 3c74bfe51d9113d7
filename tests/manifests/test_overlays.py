"""manifests/: what our patches make of the upstream pieces, on stand-ins and where there are checkouts on those."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from forebay.install.up import EXAMPLE_BUCKET, EXAMPLE_REGISTRY
from support.helm_chart import Object, objects, scenario
from support.kustomize_manifests import MANIFESTS, OPTIONAL, OVERLAYS, kustomize
from support.manifest_checks import check_images, check_pod_security, check_schema, check_unique, pods

Rendered = dict[str, list[Object]]
PIECES = ("namespaces", "cert-manager", "kserve-crds", "kserve", "pipelines-crds", "pipelines")
VERSIONS = yaml.safe_load((MANIFESTS / "versions.yaml").read_text())


def named(objects: list[Object], kind: str, name: str) -> Object:
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def environment(objects: list[Object], name: str) -> dict[str, Any]:
    """Variables of a Deployment's first container."""
    (container, *_) = named(objects, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.fixture(params=["standins", "upstream"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    found: Rendered = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_belongs_to_one_piece_and_stands_there_once(rendered: Rendered, overlay: str) -> None:
    pieces = Counter(each["metadata"]["labels"]["forebay.dev/piece"] for each in rendered[overlay])
    assert set(pieces) == set(PIECES)
    keys = Counter(
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendered[overlay]
    )
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("overlay", [*OVERLAYS, *OPTIONAL])
def test_every_namespace_enforces_the_restricted_standard_and_nothing_lies_outside_of_them(
    rendered: Rendered, overlay: str
) -> None:
    namespaces = {each["metadata"]["name"]: each for each in rendered[overlay] if each["kind"] == "Namespace"}
    assert namespaces
    for name, each in namespaces.items():
        assert each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted", name
    used = {each["metadata"]["namespace"] for each in rendered[overlay] if "namespace" in each["metadata"]}
    assert used - set(namespaces) <= {"kube-system"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_definitions_come_before_what_they_define(rendered: Rendered, overlay: str) -> None:
    for each in rendered[overlay]:
        if each["kind"] == "CustomResourceDefinition":
            assert each["metadata"]["labels"]["forebay.dev/piece"] in {"cert-manager", "kserve-crds", "pipelines-crds"}


def test_kserve_makes_deployments_and_services_and_every_image_of_its_has_the_pinned_version(
    rendered: Rendered,
) -> None:
    config = named(rendered["kind"], "ConfigMap", "inferenceservice-config")["data"]
    assert json.loads(config["deploy"]) == {"defaultDeploymentMode": "Standard"}
    assert "_example" not in config
    version = VERSIONS["upstream"]["kserve"]["version"]
    texts = {key: json.loads(text).get("image") for key, text in config.items() if '"image"' in text}
    assert texts == {
        "storageInitializer": f"kserve/storage-initializer:{version}", "agent": f"kserve/agent:{version}",
        "logger": f"kserve/agent:{version}", "batcher": f"kserve/agent:{version}", "router": f"kserve/router:{version}",
    }  # fmt: skip
    container = named(rendered["kind"], "ClusterStorageContainer", "default")["spec"]["container"]
    assert container["image"] == f"kserve/storage-initializer:{version}"


def test_objects_of_pipelines_lie_in_the_charts_store_and_the_charts_secret_opens_it(rendered: Rendered) -> None:
    objects = rendered["kind"]
    assert [each["metadata"]["name"] for each in objects if "seaweed" in each["metadata"]["name"]] == []
    assert "mlpipeline-minio-artifact" not in {each["metadata"]["name"] for each in objects}
    server = environment(objects, "ml-pipeline")
    assert (server["OBJECTSTORECONFIG_HOST"], server["OBJECTSTORECONFIG_PORT"]) == ("forebay-s3.forebay", "9000")
    ui = environment(objects, "ml-pipeline-ui")
    assert (ui["MINIO_HOST"], ui["MINIO_NAMESPACE"], ui["MINIO_PORT"]) == ("forebay-s3", "forebay", "9000")
    launcher = named(objects, "ConfigMap", "kfp-launcher")["data"]
    store = yaml.safe_load(launcher["providers"])["s3"]["default"]
    assert store["endpoint"] == "http://forebay-s3.forebay:9000"
    assert store["credentials"]["secretRef"]["secretName"] == "mlpipeline-minio-artifact"
    workflows = named(objects, "ConfigMap", "workflow-controller-configmap")["data"]
    assert yaml.safe_load(workflows["artifactRepository"])["s3"]["endpoint"] == "forebay-s3.forebay:9000"


def test_pipelines_know_mlflow_and_the_login_that_the_chart_writes(rendered: Rendered) -> None:
    server = named(rendered["kind"], "Deployment", "ml-pipeline")["spec"]["template"]["spec"]
    (mount,) = [each for each in server["containers"][0]["volumeMounts"] if each["name"] == "forebay-config"]
    assert (mount["mountPath"], mount["subPath"]) == ("/config/config.json", "config.json")
    assert {"name": "forebay-config", "configMap": {"name": "ml-pipeline-config"}} in server["volumes"]
    config = json.loads(named(rendered["kind"], "ConfigMap", "ml-pipeline-config")["data"]["config.json"])
    mlflow = config["plugins"]["mlflow"]
    chart = objects(scenario("kind"))
    service = named(chart, "Service", "forebay-mlflow")
    port = service["spec"]["ports"][0]["port"]
    assert mlflow["endpoint"] == f"http://forebay-mlflow.{service['metadata']['namespace']}.svc:{port}"
    login = named(chart, "Secret", "kfp-mlflow-credentials")
    assert set(mlflow["settings"]["credentialSecretRef"].values()) == set(login["stringData"])


def test_in_a_cloud_objects_lie_in_its_store_and_no_pod_of_the_platform_sits_on_a_gpu_node(rendered: Rendered) -> None:
    objects = rendered["cloud-gpu"]
    assert "forebay-s3" not in str(objects)
    assert environment(objects, "ml-pipeline")["OBJECTSTORECONFIG_SECURE"] == "true"
    for each in objects:
        if each["kind"] == "Deployment":
            affinity = each["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
            assert "nvidia.com/gpu.present" in str(affinity), each["metadata"]["name"]


def test_what_up_refuses_as_an_example_is_what_the_overlays_hold(on_standins: Rendered) -> None:
    assert EXAMPLE_BUCKET in str(on_standins["cloud-gpu"])
    assert VERSIONS["mirror"].startswith(EXAMPLE_REGISTRY)


def test_what_only_version_1_pipelines_use_does_not_run(rendered: Rendered) -> None:
    off = {each["metadata"]["name"] for each in rendered["kind"] if each.get("spec", {}).get("replicas") == 0}
    assert off == {
        "cache-deployer-deployment", "cache-server", "metadata-writer", "ml-pipeline-viewer-crd",
        "ml-pipeline-visualizationserver",
    }  # fmt: skip


def test_behind_an_air_gap_no_running_image_comes_from_outside(on_upstream: Rendered) -> None:
    outside = re.compile(
        r"\b(?:docker\.io|ghcr\.io|quay\.io|gcr\.io|registry\.k8s\.io)/[\w./-]+:[\w.-]+|\bkserve/[\w-]+:v"
    )
    mirror = VERSIONS["mirror"]
    for each in on_upstream["airgap"]:
        if each["kind"] in {"Deployment", "ConfigMap", "ClusterStorageContainer"} and each.get("spec") != {}:
            if each.get("spec", {}).get("replicas") == 0 or each["metadata"]["name"] == "pipeline-install-config":
                continue
            text = str(each).replace(f"{mirror}/", "mirrored/")
            left = [found for found in outside.findall(text) if f"mirrored/{found}" not in text]
            # acmesolver stands in an argument, which `up` renames
            assert [one for one in left if "acmesolver" not in one] == [], each["metadata"]["name"]


def test_an_air_gap_changes_images_and_nothing_that_only_looks_like_one(on_standins: Rendered) -> None:
    mysql = named(on_standins["airgap"], "Deployment", "mysql")["spec"]["template"]["spec"]["containers"][0]
    assert mysql["image"] == f"{VERSIONS['mirror']}/library/mysql:8.4"
    assert mysql["env"] == [{"name": "DRIVER", "value": "mysql"}]
    server = environment(on_standins["airgap"], "ml-pipeline")
    assert server["V2_LAUNCHER_IMAGE"] == f"{VERSIONS['mirror']}/kubeflow/kfp-launcher:2"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_steps_of_a_pipeline_may_run_under_pod_security_restricted(on_standins: Rendered, overlay: str) -> None:
    config = named(on_standins[overlay], "ConfigMap", "pipeline-install-config")["data"]
    assert config["defaultSecurityContextRunAsNonRoot"] == "true"
    assert config["defaultSecurityContextRunAsUser"] == "10001", "the user of our images"
    assert config["mysqlPort"] == "3306", "what was there stays"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_patch_gives_a_variable_two_values(rendered: Rendered, overlay: str) -> None:
    for each in rendered[overlay]:
        for pod in pods([each]):
            for container in pod.spec["containers"]:
                both = [one["name"] for one in container.get("env") or [] if one.get("value") and one.get("valueFrom")]
                assert both == [], each["metadata"]["name"]


def test_what_fetches_a_model_may_run_under_pod_security_restricted(on_standins: Rendered) -> None:
    fetching = named(on_standins["kind"], "ClusterStorageContainer", "default")["spec"]["container"]
    assert fetching["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_kserves_configuration_has_what_its_controller_ends_without(on_standins: Rendered) -> None:
    config = named(on_standins["kind"], "ConfigMap", "inferenceservice-config")["data"]
    assert json.loads(config["ingress"])["ingressGateway"]
    for part in ("storageInitializer", "agent", "logger", "batcher", "router"):
        found = json.loads(config[part])
        assert all(found.get(key) for key in ("cpuRequest", "cpuLimit", "memoryRequest", "memoryLimit")), part


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nobody_outside_talks_to_what_has_no_login(rendered: Rendered, overlay: str) -> None:
    policy = named(rendered[overlay], "NetworkPolicy", "pipelines")["spec"]
    wanted = set(policy["podSelector"]["matchLabels"].items())
    workloads = [each for each in rendered[overlay] if each["kind"] in {"Deployment", "StatefulSet"}]
    labels = {
        each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"]
        for each in workloads
        if each["metadata"]["labels"]["forebay.dev/piece"] == "pipelines"
    }
    assert {"ml-pipeline", "ml-pipeline-ui", "mysql"} <= labels.keys()
    assert [name for name, each in labels.items() if not wanted <= each.items()] == []
    assert policy["ingress"] == [{"from": [{"podSelector": {}}]}]
    doors = named(rendered[overlay], "NetworkPolicy", "pipelines-clients")["spec"]["podSelector"]["matchExpressions"]
    assert doors == [{"key": "app", "operator": "In", "values": ["ml-pipeline", "ml-pipeline-ui"]}]


def test_a_patch_that_finds_nothing_to_patch_is_an_error(on_standins: Rendered, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("patches: [{path: patch.yaml}]\nresources: [objects.yaml]\n")
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump(named(on_standins["kind"], "Deployment", "mysql")))
    patch = (MANIFESTS / "base" / "pipelines" / "api-server.yaml").read_text()
    (tmp_path / "patch.yaml").write_text(patch)
    with pytest.raises(AssertionError, match="no resource matches strategic merge patch"):
        kustomize(tmp_path)


@pytest.mark.parametrize("overlay", [*OVERLAYS, *OPTIONAL])
def test_every_pod_may_run_in_its_namespace_from_an_image_that_stays_what_it_is(
    rendered: Rendered, overlay: str
) -> None:
    found = [*check_pod_security(rendered[overlay]), *check_images(rendered[overlay]), *check_unique(rendered[overlay])]
    assert [str(finding) for finding in found] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_knows_every_field_of_our_patches(on_upstream: Rendered, overlay: str) -> None:
    assert [str(finding) for finding in check_schema(on_upstream[overlay], "1.33")] == []
