"""The SparkApplication: pure data, compared whole, kept by Pod Security `restricted`, and followed to its end."""

import dataclasses
from typing import Any

import pyspark
import pytest

from forebay.cluster.spark.spark_application import (
    SPARK_VERSION,
    IngestApplication,
    custom_job,
    outcome,
    spark_application,
)
from forebay.ingest.spark.session import SPARK_SETTINGS
from forebay.kube.custom_job import JobOutcome
from forebay.settings.cluster_environment import STORE_ADDRESS_KEYS, STORE_LOGIN_KEYS
from forebay.version import VERSION
from support.manifest_checks import check_custom, check_pod_security, check_schema

WANTED = IngestApplication(
    name="forebay-ingest-0123456789abcdef", namespace="kubeflow", image="registry.example.com/forebay/spark:1",
    pull_secrets=("registry",), account="forebay-spark", main_file="/opt/code/forebay/ingest/distributed/driver.py",
    work="s3://forebay/work/ingest/0123456789abcdef/aa", executors=4, executor_memory="2Gi",
)  # fmt: skip


def template(container: str, *, token: bool) -> dict[str, Any]:
    plain = [
        {"name": name, "valueFrom": {"configMapKeyRef": {"name": "forebay-steps", "key": name, "optional": True}}}
        for name in STORE_ADDRESS_KEYS
    ]
    secret = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": "forebay-steps", "key": name, "optional": True}}}
        for name in STORE_LOGIN_KEYS
    ]
    return {
        "spec": {
            "automountServiceAccountToken": token,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": "registry"}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": container,
                    "env": plain + secret,
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        }
    }


def test_the_object_is_exactly_this() -> None:
    made = spark_application(WANTED)
    settings = made["spec"].pop("sparkConf")
    assert made == {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {
            "name": "forebay-ingest-0123456789abcdef",
            "namespace": "kubeflow",
            "labels": {
                "app.kubernetes.io/name": "forebay",
                "app.kubernetes.io/component": "ingest",
                "app.kubernetes.io/version": VERSION,
                "forebay.dev/job": "ingest",
            },
        },
        "spec": {
            "type": "Python",
            "mode": "cluster",
            "sparkVersion": "4.3.0",
            "image": "registry.example.com/forebay/spark:1",
            "imagePullPolicy": "IfNotPresent",
            "mainApplicationFile": "local:///opt/code/forebay/ingest/distributed/driver.py",
            "arguments": ["s3://forebay/work/ingest/0123456789abcdef/aa"],
            "restartPolicy": {"type": "Never"},
            "timeToLiveSeconds": 86400,
            "driver": {
                "cores": 1, "coreRequest": "250m", "memory": "1024m", "memoryOverhead": "2048m",
                "serviceAccount": "forebay-spark",
                "template": template("spark-kubernetes-driver", token=True),
            },
            "executor": {
                "instances": 4, "cores": 1, "coreRequest": "250m", "memory": "682m", "memoryOverhead": "1366m",
                "serviceAccount": "forebay-spark",
                "template": template("spark-kubernetes-executor", token=False),
            },
        },
    }  # fmt: skip
    assert (
        settings.items() >= {**SPARK_SETTINGS, "spark.default.parallelism": "4", "spark.authenticate": "true"}.items()
    )
    assert "spark.driver.host" not in settings, "the cluster's to say"


def test_it_keeps_the_schema_of_the_operator() -> None:
    assert check_custom([spark_application(WANTED)]) == []
    wrong = spark_application(WANTED)
    wrong["spec"]["executor"]["memory_overhead"] = "1g"
    assert "memory_overhead" in str(check_custom([wrong])[0])


def test_its_pods_keep_pod_security_restricted() -> None:
    spec = spark_application(WANTED)["spec"]
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": role}, "spec": spec[role]["template"]["spec"]}
        for role in ("driver", "executor")
    ]
    assert check_pod_security(pods) == []
    assert check_schema(pods, "1.33") == []
    assert check_pod_security([{**pods[0], "spec": {**pods[0]["spec"], "securityContext": {}}}])


@pytest.mark.parametrize(
    ("memory", "heap", "rest"), [("1Gi", "512m", "512m"), ("1536Mi", "512m", "1024m"), ("8Gi", "1024m", "7168m")]
)
def test_an_executor_takes_the_memory_that_it_is_given_and_most_of_it_is_not_javas(
    memory: str, heap: str, rest: str
) -> None:
    executor = spark_application(dataclasses.replace(WANTED, executor_memory=memory))["spec"]["executor"]
    assert (executor["memory"], executor["memoryOverhead"]) == (heap, rest)


def test_the_version_is_that_of_the_package() -> None:
    assert pyspark.__version__ == SPARK_VERSION


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, None),
        ({"state": "SUBMITTED"}, None),
        ({"state": "RUNNING"}, None),
        ({"state": "SUCCEEDING"}, None),
        ({"state": "FAILING", "errorMessage": "driver container failed"}, None),
        ({"state": "COMPLETED"}, JobOutcome(succeeded=True)),
        ({"state": "FAILED", "errorMessage": "no"}, JobOutcome(succeeded=False, reason="no")),
        ({"state": "SUBMISSION_FAILED", "errorMessage": "no"}, JobOutcome(succeeded=False, reason="no")),
    ],
)
def test_an_application_has_ended_when_the_operator_says_so(state: dict[str, str], expected: JobOutcome | None) -> None:
    assert outcome({"status": {"applicationState": state}}) == expected
    assert outcome({}) is None


def test_its_pods_are_found_by_the_operators_label() -> None:
    job = custom_job(spark_application(WANTED))
    assert job.pod_selector == "sparkoperator.k8s.io/app-name=forebay-ingest-0123456789abcdef"
    assert (job.installed_by, job.chart_value) == ("spark-operator", "spark.enabled")


def test_of_a_page_of_java_the_line_that_tells_is_taken() -> None:
    page = (
        "failed to run spark-submit: WARNING: package sun.security.action not in java.base\n26/11/22 INFO Something\n"
        'Exception in thread "main" io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: PATCH '
        'at: https://10.96.0.1:443/apis/x. Message: networkpolicies is forbidden: User "o" cannot patch. '
        "Received status: Status(apiVersion=v1)\n\tat io.fabric8.kubernetes.client.X.copyAsCause(X.java:205)\n"
    )
    found = outcome({"status": {"applicationState": {"state": "SUBMISSION_FAILED", "errorMessage": page}}})
    assert found == JobOutcome(succeeded=False, reason='networkpolicies is forbidden: User "o" cannot patch')
