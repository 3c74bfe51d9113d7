"""The runner's rights, asked of the API server as the runner: what the deploy step does is allowed, nothing else is."""

from typing import Any

import pytest

from forebay.cluster.rollout.access import rights
from forebay.cluster.rollout.inference_service import API_VERSION, ModelDeployment, inference_service
from support.helm_chart import RELEASE
from support.live_helm_release import Release

RUNNER = "system:serviceaccount:kubeflow:pipeline-runner"
MODELS = "forebay-models"


@pytest.fixture(scope="module")
def runner(release: Release) -> Any:
    """A client that acts as the runner's service account."""
    from kubernetes import config
    from kubernetes.dynamic import DynamicClient

    client = config.new_client_from_config()
    client.set_default_header("Impersonate-User", RUNNER)
    return DynamicClient(client)


def may(client: Any, verb: str, group: str, resource: str, namespace: str) -> bool:
    """Whether the API server would let the client do it."""
    name, _, part = resource.partition("/")
    asked = {"verb": verb, "group": group, "resource": name, "subresource": part, "namespace": namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    api = client.resources.get(api_version=review["apiVersion"], kind=review["kind"])
    return bool(api.create(body={**review, "spec": {"resourceAttributes": asked}}).status.allowed)


def test_the_runner_may_do_all_that_the_deploy_step_needs(runner: Any) -> None:
    asked = [(verb, group, resource, MODELS) for group, resource, verb in sorted(rights())]
    assert asked
    assert [each for each in asked if not may(runner, *each)] == []


@pytest.mark.parametrize(
    ("verb", "group", "resource", "namespace"),
    [
        ("list", "serving.kserve.io", "inferenceservices", MODELS),
        ("get", "", "secrets", MODELS),
        ("delete", "", "secrets", MODELS),
        ("get", "", "secrets", RELEASE),
        ("list", "", "pods", RELEASE),
        ("list", "", "pods", "kube-system"),
        ("create", "", "pods", MODELS),
        ("delete", "", "pods", MODELS),
        ("create", "", "pods/exec", MODELS),
        ("create", "", "serviceaccounts/token", MODELS),
        ("deletecollection", "serving.kserve.io", "inferenceservices", MODELS),
        ("create", "serving.kserve.io", "inferenceservices", RELEASE),
        ("patch", "serving.kserve.io", "servingruntimes", MODELS),
        ("delete", "", "resourcequotas", MODELS),
        ("create", "rbac.authorization.k8s.io", "rolebindings", MODELS),
        ("create", "rbac.authorization.k8s.io", "clusterroles", ""),
        ("delete", "", "namespaces", ""),
    ],
)
def test_the_runner_may_do_nothing_else(runner: Any, verb: str, group: str, resource: str, namespace: str) -> None:
    assert not may(runner, verb, group, resource, namespace)


def test_the_runner_makes_changes_reads_and_removes_a_served_model(runner: Any) -> None:
    body = inference_service(
        ModelDeployment(
            name="rights-probe",
            version="1",
            storage_uri="s3://forebay/absent",
            weights_sha256="0" * 64,
            data_digest="0" * 64,
            code_version="0",
            run_id="0",
            namespace=MODELS,
        )
    )
    body["metadata"]["annotations"]["serving.kserve.io/stop"] = "true"  # where KServe runs, it starts no pod for it
    models = runner.resources.get(api_version=API_VERSION, kind="InferenceService")
    models.create(body=body, namespace=MODELS)
    try:
        label = {"metadata": {"labels": {"forebay.dev/model-version": "2"}}}
        models.patch(body=label, name="rights-probe", namespace=MODELS, content_type="application/merge-patch+json")
        assert models.get(name="rights-probe", namespace=MODELS).metadata.labels["forebay.dev/model-version"] == "2"
    finally:
        models.delete(name="rights-probe", namespace=MODELS)


def test_the_runner_that_tries_more_is_refused(runner: Any) -> None:
    from kubernetes.dynamic.exceptions import ForbiddenError

    secrets = runner.resources.get(api_version="v1", kind="Secret")
    pods = runner.resources.get(api_version="v1", kind="Pod")
    roles = runner.resources.get(api_version="rbac.authorization.k8s.io/v1", kind="ClusterRole")
    with pytest.raises(ForbiddenError, match="cannot delete resource"):
        secrets.delete(name=f"{RELEASE}-postgres", namespace=RELEASE, dry_run="All")
    with pytest.raises(ForbiddenError, match="cannot list resource"):
        pods.get(namespace=RELEASE)
    body = {"apiVersion": roles.group_version, "kind": "ClusterRole", "metadata": {"name": "rights-probe"}, "rules": []}
    with pytest.raises(ForbiddenError, match="cannot create resource"):
        roles.create(body=body, dry_run="All")
