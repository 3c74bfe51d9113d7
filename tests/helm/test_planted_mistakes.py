"""The checks find what they are for: each mistake is planted in sound objects and must be named."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from forebay.cluster.rollout.inference_service import ModelDeployment, inference_service
from forebay.version import VERSION
from support.helm_chart import PREDICTOR, Object, objects, scenario
from support.manifest_checks import Finding
from support.manifest_checks import check_custom as custom
from support.manifest_checks import check_house_rules as house_rules
from support.manifest_checks import check_images as images
from support.manifest_checks import check_pod_security as pod_security
from support.manifest_checks import check_references as references
from support.manifest_checks import check_schema as schema
from support.manifest_checks import check_secret_keys as secret_keys
from support.manifest_checks import check_selectors as selectors
from support.manifest_checks import check_service_ports as service_ports
from support.manifest_checks import check_unique as unique
from support.manifest_checks import check_wildcards as wildcards

POD = "spec template spec"
BOX = f"{POD} containers 0"
RUNTIME = "spec containers 0 securityContext"  # of the ServingRuntime
GONE = object()
Check = Callable[[list[Object]], list[Finding]]


def schemas(found: list[Object]) -> list[Finding]:
    return schema(found, "1.33")


def tags(found: list[Object]) -> list[Finding]:
    return images(found, "forebay/", VERSION)


def selections(found: list[Object]) -> list[Finding]:
    return selectors(found, [PREDICTOR])


CHECKS: list[Check] = [
    schemas, custom, pod_security, house_rules, tags, selections, service_ports, secret_keys, references, unique,
    wildcards,
]  # fmt: skip


@pytest.fixture(scope="module")
def sound() -> list[Object]:
    """The kind scenario with monitors, and the object that the deploy step writes."""
    served = ModelDeployment(
        name="digits", version="1", storage_uri="s3://b/m", weights_sha256="w", data_digest="d",
        code_version="c", run_id="r", namespace="forebay-models",
    )  # fmt: skip
    return [*objects(scenario("kind") | {"monitoring": {"enabled": True}}), inference_service(served)]


def planted(sound: list[Object], kind: str, path: str, value: Any) -> list[Object]:
    """The objects, with a value put into (or taken from) the first of a kind, or of kind/name."""
    broken = copy.deepcopy(sound)
    kind, _, name = kind.partition("/")
    place: Any = next(each for each in broken if each["kind"] == kind and each["metadata"]["name"].endswith(name))
    *above, last = (int(word) if word.isdigit() else word for word in path.split())
    for word in above:
        place = place[word]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return broken


def test_sound_objects_have_no_findings(sound: list[Object]) -> None:
    assert [str(finding) for check in CHECKS for finding in check(sound)] == []


@pytest.mark.parametrize(
    ("check", "kind", "path", "value", "said"),
    [
        # core kinds: misspelt field, wrong type, missing field, a kind of the past
        (schemas, "Deployment", "spec replcas", 1, "'replcas' was unexpected"),
        (schemas, "Deployment", "spec replicas", "two", "spec.replicas: 'two'"),
        (schemas, "Deployment", f"{BOX} ports 0 containerPort", "5000x", "containerPort: '5000x'"),
        (schemas, "Service", "spec ports 0 port", GONE, "spec.ports.0: 'port' is a required"),
        (schemas, "PodDisruptionBudgets", "apiVersion", "policy/v1", "has no PodDisruptionBudgets"),
        # custom kinds: unknown field, wrong type, missing field, no schema
        (custom, "ServingRuntime", "spec nodeSelectors", {}, "'nodeSelectors' was unexpected"),
        (custom, "ServingRuntime", "spec containers", GONE, "spec: 'containers' is a required"),
        (custom, "ServingRuntime", "spec supportedModelFormats", "forebay", "is not of type 'array'"),
        (custom, "InferenceService", "spec predictor model storageURI", "s3://b", "'storageURI' was"),
        (custom, "InferenceService", "spec predictor minReplicas", "1", "minReplicas: '1' is not"),
        (custom, "PodMonitor", "spec podMetricsEndpoints 0 portNumber", "8080", "'8080' is not of type"),
        (custom, "ServiceMonitor", "spec endpoints 0 interval", "30 s", "'30 s' does not match"),
        (custom, "PrometheusRule", "spec groups 0 rules 0 expression", "up", "'expression' was"),
        (custom, "ServingRuntime", "apiVersion", "serving.kserve.io/v1", "no schema of serving.kserve.io/v1"),
        # images
        (tags, "Deployment", f"{BOX} image", "forebay/mlflow", "has no tag"),
        (tags, "Deployment", f"{BOX} image", "registry:5000/forebay/mlflow", "has no tag"),
        (tags, "StatefulSet", f"{BOX} image", "docker.io/library/postgres:latest", "'latest' moves"),
        (tags, "Deployment", f"{BOX} image", "forebay/mlflow:0.0.9", f"not tagged {VERSION}"),
        (tags, "StatefulSet", f"{BOX} image", "postgres@sha256:12", "is no digest"),
        (tags, "Deployment", f"{BOX} image", GONE, "'' has no tag"),
        # Pod Security
        (pod_security, "Deployment", f"{BOX} securityContext", GONE, "allowPrivilegeEscalation: is not false"),
        (pod_security, "Deployment", f"{BOX} securityContext capabilities", GONE, "drop: does not hold ALL"),
        (pod_security, "Deployment", f"{BOX} securityContext capabilities add", ["SYS_ADMIN"], "SYS_ADMIN"),
        (pod_security, "ServingRuntime", f"{RUNTIME} runAsNonRoot", False, "runAsN"),
        (pod_security, "ServingRuntime", f"{RUNTIME} seccompProfile", {}, "seccomp"),
        (pod_security, "InferenceService", "spec predictor securityContext", GONE, "predictor.model.sec"),
        (pod_security, "StatefulSet", f"{POD} securityContext runAsUser", 0, "is 0, which is root"),
        (pod_security, "StatefulSet", f"{POD} hostNetwork", True, "hostNetwork: must not be set"),
        (pod_security, "Pod", "spec volumes 0", {"name": "x", "hostPath": {"path": "/"}}, "[x].hostPath: is no"),
        (pod_security, "Pod", "spec initContainers", [{"name": "i"}], "initContainers[i].securityContext"),
        (pod_security, "Deployment", f"{BOX} ports 0 hostPort", 80, "hostPort 80 must not"),
        (house_rules, "Deployment", f"{BOX} securityContext readOnlyRootFilesystem", False, "is not true"),
        (house_rules, "Deployment", f"{POD} automountServiceAccountToken", GONE, "is not false"),
        (house_rules, "StatefulSet", f"{BOX} resources limits", {}, "limits.memory: is missing"),
        # selectors that match nothing
        (selections, "Service", "spec selector app.kubernetes.io/name", "mlflw", "matches nothing: app.k"),
        (selections, "Deployment", "spec selector matchLabels tier", "x", "tier=x"),
        (selections, "NetworkPolicy/mlflow", "spec podSelector matchLabels", {"app": "x"}, "spec.podSelector: mat"),
        (selections, "NetworkPolicy/postgres", "spec ingress 0 from 0 podSelector matchLabels", {"a": "b"}, "a=b"),
        (selections, "ServiceMonitor", "spec selector matchLabels", {"app": "x"}, "matches nothing: app=x"),
        (selections, "PodMonitor", "spec selector matchExpressions 0 key", "isvc", "isvc Exists"),
        # ports that no container opens
        (service_ports, "Service", "spec ports 0 targetPort", "web", "'web' is opened by no container"),
        (service_ports, "Service/s3", "spec ports 0 targetPort", 9001, "9001 is opened by no"),
        (service_ports, "NetworkPolicy/postgres", "spec ingress 0 ports 0 port", "pg", "'pg' is opened"),
        (service_ports, "ServiceMonitor", "spec endpoints 0 port", "metrics", "no port of its Services"),
        (service_ports, "Deployment", f"{BOX} readinessProbe httpGet port", "web", "'web' is no port of"),
        # Secrets and keys that nobody writes
        (secret_keys, "Secret/postgres", "stringData", {"pass": "x"}, "the key password of the Secret"),
        (secret_keys, "Secret/s3", "metadata name", "s4", "nobody writes the Secret forebay-s3"),
        (secret_keys, "Secret/s3", "metadata namespace", "other", "nobody writes the Secret forebay-s3"),
        (secret_keys, "Deployment", f"{BOX} envFrom", [{"secretRef": {"name": "none"}}], "the Secret none"),
        (secret_keys, "ServiceMonitor", "spec endpoints 0 basicAuth username key", "u", "the key u"),
        (secret_keys, "Pod", "spec imagePullSecrets", [{"name": "pull"}], "the Secret pull"),
        # names of what is not there, or twice
        (references, "Deployment", f"{POD} serviceAccountName", "mlflow", "no ServiceAccount mlflow in forebay"),
        (references, "StatefulSet", "spec serviceName", "pg", "there is no Service pg"),
        (references, "RoleBinding", "metadata namespace", "kubeflow", "only elsewhere"),
        (references, "Deployment", f"{POD} volumes 0 configMap name", "cfg", "there is no ConfigMap cfg"),
        (references, "Deployment", f"{POD} volumes 0 configMap items", [{"key": "k"}], "the key k of the"),
        (unique, "Service/s3", "metadata name", "forebay-postgres", "stands there 2 times"),
        # rights
        (wildcards, "Role", "rules 0 verbs", ["*"], "rules.verbs: holds *"),
        (wildcards, "Role", "rules 0 resources", ["inferenceservices/*"], "rules.resources: holds *"),
        (wildcards, "Role", "rules 1 resources", ["secrets"], "holds secrets without"),
        (wildcards, "Role", "rules 0 verbs", ["get", "bind"], "holds bind"),
    ],
)  # fmt: skip
def test_a_planted_mistake_is_found(
    sound: list[Object], check: Check, kind: str, path: str, value: Any, said: str
) -> None:
    if kind == "PodDisruptionBudgets":
        sound = [*sound, {"apiVersion": "policy/v1beta1", "kind": kind, "metadata": {"name": "b"}}]
    findings = [str(finding) for finding in check(planted(sound, kind, path, value))]
    assert [finding for finding in findings if said in finding], findings


def test_jobs_and_cron_jobs_are_looked_into() -> None:
    spec = {"template": {"spec": {"containers": [{"name": "main", "image": "x"}], "hostPID": True}}}
    job: Object = {"kind": "Job", "metadata": {"name": "j"}, "spec": spec}
    timed: Object = {"kind": "CronJob", "metadata": {"name": "t"}, "spec": {"jobTemplate": {"spec": spec}}}
    for each in (job, timed):
        assert "hostPID" in " ".join(map(str, pod_security([each])))
        assert "has no tag" in str(images([each])[0])


def test_a_group_under_k8s_io_that_kubernetes_does_not_serve_is_custom() -> None:
    gateway: Object = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"}}
    policy: Object = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicys", "metadata": {"name": "p"}}
    assert [finding.where for finding in custom([gateway, policy])] == ["Gateway g"]
    assert [finding.where for finding in schemas([gateway, policy])] == ["NetworkPolicys p"]


def test_what_is_optional_may_be_absent() -> None:
    optional = {"name": "none", "key": "k", "optional": True}
    container = {"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": optional}}]}
    volume = {"name": "v", "configMap": {"name": "none", "optional": True}}
    pod: Object = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": [volume]}}
    assert secret_keys([pod]) + references([pod]) == []
