"""What a cluster lacks is refused before anything is written; what it has already, the chart keeps."""

import base64
import json
import re
from typing import Any

import helm_python
import pytest
import yaml
from helm_python import Chart, Config

from support.fake_kube import FakeKubeApi, fake_kube_api
from support.helm_chart import CHART, RELEASE, SCENARIOS, Object, Values, existing_secrets, scenario
from support.manifest_checks import check_upgrade


def named(kind: str, name: str, namespace: str | None = RELEASE, **more: Any) -> Object:
    version = "storage.k8s.io/v1" if kind == "StorageClass" else "v1"
    space = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **space}, **more}


def secret(name: str, *keys: str) -> Object:
    return named("Secret", name, data={key: base64.b64encode(f"{name} {key}".encode()).decode() for key in keys})


SPACES = [named("Namespace", name, None) for name in (RELEASE, "kubeflow", "forebay-models")]
CLASSES = [named("StorageClass", name, None, provisioner="x") for name in ("gp3", "standard")]

SIGNING = named("Secret", "forebay-signing", "kubeflow", data={"key.pem": "eA=="})


def install(api: FakeKubeApi, values: Values) -> None:
    """`helm install`, not a dry run: what is refused has written nothing."""
    with Config(kubeconfig_content=json.dumps(api.kubeconfig()), namespace=RELEASE) as config:
        config.install(str(CHART), RELEASE, values, namespace=RELEASE)


def live(api: FakeKubeApi, values: Values, **more: Any) -> dict[str, Object]:
    """Rendered objects by kind and name, with what the cluster answers."""
    with (
        Config(kubeconfig_content=json.dumps(api.kubeconfig()), namespace=RELEASE) as config,
        Chart.load(CHART) as chart,
    ):
        rendered = config.render(chart, values, name=RELEASE, namespace=RELEASE, **more)
    texts = [text for path, text in rendered.items() if path.endswith(".yaml")]
    found = [each for text in texts for each in yaml.safe_load_all(text) if each]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


@pytest.mark.parametrize(
    ("values", "cluster", "said"),
    [
        (
            scenario("external-services"), SPACES,
            'mlflow.auth.existingSecret is "forebay-mlflow-admin": there is no such Secret in the namespace forebay. '
            "Create it there with the keys username, password, flask-secret-key",
        ),
        (
            {"postgres": {"existingSecret": "mine"}}, [*SPACES, secret("mine", "pass")],
            'postgres.existingSecret is "mine": that Secret of the namespace forebay has no key password. Add it',
        ),
        (
            {"s3": {"existingSecret": "keys"}}, [*SPACES, secret("keys", "access-key")],
            "has no key secret-key. Add it; it needs access-key, secret-key.",
        ),
        (
            {"images": {"pullSecrets": ["pull"]}}, SPACES,
            'images.pullSecrets is "pull": there is no such Secret in the namespace forebay',
        ),
        (
            {"postgres": {"storage": {"className": "fast"}}}, [*SPACES, *CLASSES],
            'postgres.storage.className is "fast": the cluster has no such storage class, it has gp3, standard.',
        ),
        (
            {"signing": {"enabled": True}}, [*SPACES, secret("forebay-signing", "key.pem")],
            "the namespace kubeflow has no Secret forebay-signing with the key key.pem. Create it: kubectl create",
        ),
        ({"s3": {"storage": {"className": "fast"}}}, SPACES, "it has none. Name one of them, or leave it empty"),
        (
            {"database": {"mode": "sqlite"}, "mlflow": {"storage": {"className": "fast"}}}, [*SPACES, *CLASSES],
            'mlflow.storage.className is "fast"',
        ),
        ({}, SPACES[:2], 'serving.namespace is "forebay-models": there is no such namespace. Create it first'),
        (
            {"spark": {"enabled": True}, "pipelines": {"namespace": "kfp"}}, SPACES,
            'pipelines.namespace is "kfp": there is no such namespace',
        ),
    ],
)  # fmt: skip
def test_what_the_cluster_lacks_is_refused_and_nothing_is_written(
    values: Values, cluster: list[Object], said: str
) -> None:
    with fake_kube_api(cluster) as api, pytest.raises(helm_python.HelmError, match=re.escape(said)):
        install(api, values)
    assert api.writes == []


def test_an_old_cluster_is_refused_by_its_version_and_a_clouds_suffix_is_none() -> None:
    said = "chart requires kubeVersion: >=1.30.0-0 which is incompatible with Kubernetes v1.29.9"
    with fake_kube_api(SPACES, "v1.29.9") as api, pytest.raises(helm_python.HelmError, match=said):
        install(api, {})
    assert api.writes == []
    with (
        fake_kube_api(SPACES[:2], "v1.30.4-eks-a1b2c3") as api,
        pytest.raises(helm_python.HelmError, match="no such namesp"),
    ):
        install(api, {})  # it got as far as the look-ups


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_cluster_that_has_everything_is_taken(name: str) -> None:
    values = scenario(name)
    others = [secret(each, *keys) for each, keys in existing_secrets(values).items()]
    with fake_kube_api([*SPACES, *CLASSES, *others, SIGNING]) as api:
        assert len(live(api, values)) > 10


def test_a_class_that_is_gone_stops_no_upgrade_of_a_claim_that_has_its_volume() -> None:
    claim = named("PersistentVolumeClaim", "data-forebay-postgres-0")
    with fake_kube_api([*SPACES, claim]) as api:
        assert "StatefulSet/forebay-postgres" in live(
            api, {"postgres": {"storage": {"className": "gp2"}}}, is_upgrade=True
        )


def test_an_upgrade_keeps_the_passwords_that_were_made_and_the_volumes() -> None:
    with fake_kube_api([*SPACES]) as api:
        first = live(api, {})
        made = {name: each for name, each in first.items() if each["kind"] == "Secret"}
        for each in made.values():
            data = {key: base64.b64encode(value.encode()).decode() for key, value in each["stringData"].items()}
            api.objects.append(secret(each["metadata"]["name"]) | {"data": data})
        second = live(api, {}, is_upgrade=True, revision=2)
    assert len(made) == 8
    for name, each in made.items():
        assert second[name]["stringData"] == each["stringData"]
    assert check_upgrade(list(first.values()), list(second.values())) == []
