"""The InferenceService: pure data, compared whole, and understood by the KServe SDK's own model."""

import dataclasses
import re

import pytest

from forebay.cluster.rollout.inference_service import (
    ModelDeployment,
    ServerResources,
    inference_service,
    rollout_labels,
)
from forebay.errors import ConfigError
from forebay.version import VERSION

WANTED = ModelDeployment(
    name="digits", version="3", storage_uri="s3://bucket/models/3/data/bundle", weights_sha256="a" * 64,
    data_digest="b" * 64, code_version="0.1.0+c", run_id="run-1", namespace="ml", service_account="forebay-serve",
    resources=ServerResources(gpus=1),
)  # fmt: skip


def test_the_object_is_exactly_this() -> None:
    digest = rollout_labels(inference_service(WANTED))["forebay.dev/rollout"]
    assert re.fullmatch(r"[0-9a-f]{16}", digest)
    assert inference_service(WANTED) == {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "digits",
            "namespace": "ml",
            "labels": {
                "app.kubernetes.io/name": "forebay",
                "app.kubernetes.io/component": "serve",
                "app.kubernetes.io/version": VERSION,
                "app.kubernetes.io/managed-by": "forebay",
                "forebay.dev/model-version": "3",
                "forebay.dev/rollout": digest,
            },
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "forebay.dev/weights-sha256": "a" * 64,
                "forebay.dev/data-digest": "b" * 64,
                "forebay.dev/code-version": "0.1.0+c",
                "forebay.dev/run-id": "run-1",
            },
        },
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": 1,
                "serviceAccountName": "forebay-serve",
                "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
                "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
                "model": {
                    "modelFormat": {"name": "forebay"},
                    "runtime": "forebay-gpu",
                    "protocolVersion": "v2",
                    "storageUri": "s3://bucket/models/3/data/bundle",
                    "args": ["--model-name", "digits", "--model-version", "3"],
                    "resources": {
                        "requests": {"cpu": "250m", "memory": "1Gi", "nvidia.com/gpu": "1"},
                        "limits": {"memory": "2Gi", "nvidia.com/gpu": "1"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                },
            }
        },
    }


def test_the_sdk_knows_every_field_of_it() -> None:
    from kserve import V1beta1InferenceService, V1beta1ModelSpec, V1beta1PredictorSpec

    written = inference_service(WANTED)
    predictor = written["spec"]["predictor"]
    assert written.keys() <= set(V1beta1InferenceService.attribute_map.values())
    assert predictor.keys() <= set(V1beta1PredictorSpec.attribute_map.values())
    assert predictor["model"].keys() <= set(V1beta1ModelSpec.attribute_map.values())


def test_without_gpus_none_are_asked_for() -> None:
    resources = inference_service(ModelDeployment(**{**vars(WANTED), "resources": ServerResources()}))["spec"][
        "predictor"
    ]["model"]["resources"]
    assert "nvidia.com/gpu" not in resources["requests"] | resources["limits"]


def test_a_model_without_gpus_takes_the_plain_runtime_and_a_mig_slice_has_its_own_name() -> None:
    plain = inference_service(dataclasses.replace(WANTED, resources=ServerResources()))["spec"]["predictor"]["model"]
    assert (plain["runtime"], "nvidia.com/gpu" in plain["resources"]["limits"]) == ("forebay", False)
    slices = ServerResources(gpus=2, gpu_resource="nvidia.com/mig-1g.10gb")
    sliced = inference_service(dataclasses.replace(WANTED, resources=slices))["spec"]["predictor"]["model"]
    assert sliced["resources"]["limits"] == {"memory": "2Gi", "nvidia.com/mig-1g.10gb": "2"}


@pytest.mark.parametrize("name", ["Digits", "my_model", "1st", "-x", "x-", "x" * 51, ""])
def test_a_name_that_kubernetes_refuses_is_refused_here_with_the_way_out(name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        inference_service(ModelDeployment(**{**vars(WANTED), "name": name}))


def test_the_servers_settings_are_variables_of_its_container() -> None:
    variables = {"FOREBAY_SERVE_CORS_ORIGINS": "https://app.example", "FOREBAY_SERVE_HOSTS": "models.example"}
    model = inference_service(dataclasses.replace(WANTED, variables=variables))["spec"]["predictor"]["model"]
    assert model["env"] == [{"name": name, "value": value} for name, value in variables.items()]
    assert "env" not in inference_service(WANTED)["spec"]["predictor"]["model"]


def test_pods_that_kserve_makes_anew_have_other_marks() -> None:
    def of(**changes: object) -> dict[str, str]:
        return rollout_labels(inference_service(dataclasses.replace(WANTED, **changes)))  # type: ignore[arg-type]

    assert of() == of()
    assert of(resources=ServerResources(memory="3Gi")) != of()
    assert of(run_id="another") != of()  # an annotation, which pods carry as well
    assert of(version="4") != of()
    assert of(variables={"FOREBAY_SERVE_HOSTS": "models.example"}) != of()
