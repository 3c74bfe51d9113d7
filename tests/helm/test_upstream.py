"""Custom resources against their owners' words: the kserve SDK that is installed, and the CRDs of a checkout."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kserve
import kubernetes.client
import pytest

from forebay.cluster.rollout.inference_service import ModelDeployment, ServerResources, inference_service
from forebay.cluster.spark.spark_application import IngestApplication, spark_application
from forebay.cluster.training.train_job import TrainingNodes, train_job
from support.helm_chart import SCENARIOS, Object, objects, scenario
from support.kustomize_manifests import CHECKOUTS
from support.manifest_checks import check_custom
from support.manifest_checks.custom import Schemas, crd_schemas, is_custom, own_schemas

CRDS = (
    [
        f"kserve/kserve/config/crd/full/serving.kserve.io_{kind}.yaml"
        for kind in ("servingruntimes", "inferenceservices")
    ]
    + [
        f"prometheus-operator/prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
        for kind in ("servicemonitors", "podmonitors", "prometheusrules")
    ]
    + ["kubeflow/spark-operator/config/crd/bases/sparkoperator.k8s.io_sparkapplications.yaml"]
    + [
        f"kubeflow/trainer/manifests/base/crds/trainer.kubeflow.org_{kind}.yaml"
        for kind in ("trainjobs", "trainingruntimes")
    ]
)
SPECS = {
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): "V1alpha1ServingRuntimeSpec",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceServiceSpec",
}


def served(**more: Any) -> Object:
    wanted = ModelDeployment(
        name="digits", version="1", storage_uri="s3://b/m", weights_sha256="w", data_digest="d", code_version="c",
        run_id="r", namespace="forebay-models", service_account="models", **more,
    )  # fmt: skip
    return inference_service(wanted)


def ingesting() -> Object:
    wanted = IngestApplication(
        name="i", namespace="kubeflow", image="forebay/spark:1", account="forebay-spark", main_file="/driver.py",
        work="s3://b/w", executors=2, executor_memory="2Gi",
    )  # fmt: skip
    return spark_application(wanted)


def trained(gpus: int) -> Object:
    return train_job(
        TrainingNodes(
            name="forebay-train-1", namespace="kubeflow", image="i:1", arguments=("s3://b/d", "s3://b/o", "{}"),
            nodes=2, gpus=gpus, gpu_resource="nvidia.com/gpu", memory="4Gi", limit_s=60, variables={"A": "b"},
        )
    )  # fmt: skip


def unknown(schema: Any, model: str, path: str) -> Iterator[str]:
    """Properties of a schema that the SDK's class of this name does not have, all the way down."""
    kind = re.sub(r"^(?:list\[(.+)\]|dict\(str, (.+)\))$", lambda m: m[1] or m[2], model)
    kind = re.sub(r"^K8sIoApi(Apps|Core)?", "", kind)  # the SDK's name of a class of Kubernetes' client
    owner = getattr(kserve, kind, None) or getattr(kubernetes.client, kind, None)
    inner = schema.get("items", schema)
    for name, each in inner.get("properties", {}).items():
        attributes = {json: attribute for attribute, json in owner.attribute_map.items()}
        if name not in attributes:
            yield f"{path}.{name}"
        else:
            yield from unknown(each, owner.openapi_types[attributes[name]], f"{path}.{name}")


def test_our_schemas_of_what_we_write_hold_it() -> None:
    assert check_custom([served(), served(resources=ServerResources(gpus=1)), trained(0), trained(2)]) == []


@pytest.mark.parametrize("kind", SPECS)
def test_our_schema_names_only_fields_that_the_kserve_sdk_knows(kind: tuple[str, str]) -> None:
    spec = own_schemas()[kind]["properties"]["spec"]
    assert list(unknown(spec, SPECS[kind], "spec")) == []
    assert list(unknown({"properties": {"containres": {}}}, SPECS[kind], "spec")) == ["spec.containres"]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    upstream = os.environ.get(CHECKOUTS)
    if not upstream:
        pytest.skip(
            f"{CHECKOUTS} names no folder with checkouts of kserve/kserve, prometheus-operator/prometheus-operator and "
            "kubeflow/spark-operator and kubeflow/trainer"
        )
    return crd_schemas(Path(upstream) / path for path in CRDS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_owners_whole_schemas_take_what_we_write(name: str, schemas: Schemas) -> None:
    more = {"monitoring": {"enabled": True}, "trainer": {"enabled": True}}
    written = [each for each in objects(scenario(name) | more) if is_custom(each)]
    written += [served(), served(resources=ServerResources(gpus=1)), ingesting(), trained(0), trained(2)]
    assert {each["kind"] for each in written} == {kind for _, kind in own_schemas()}
    assert check_custom(written, schemas) == []
    for each in written:
        assert check_custom([{**each, "spec": {**each["spec"], "selectr": {}}}], schemas)
