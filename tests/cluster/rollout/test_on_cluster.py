"""Deployments and rollbacks on a cluster: a real registry on a real MLflow server, a real server behind the wire."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forebay import registry
from forebay.cluster.rollout.rollback_pod import _rollback_pod
from forebay.cluster.rollout.served_versions import kept_deploy_config, roll_back, service
from forebay.contracts.bundles.spec import SPEC
from forebay.errors import DeployError, ModelError
from forebay.kube.client import connect
from forebay.kube.resource_types import INFERENCE_SERVICES
from forebay.settings import DeployConfig, ServeConfig
from forebay.settings.cluster_environment import MLFLOW_VARIABLES
from forebay.settings.environment import MLFLOW_URI
from forebay.signing import VERIFY_KEY
from support.connection_faults import wired
from support.fake_kserve_cluster import NAME, TOO_LITTLE, FakeKServeCluster, fake_kserve_cluster
from support.fake_kube import FakeCluster, connected, fake_cluster
from support.forebay_command import ForebayHere
from support.key_pairs import make_pair
from support.mlflow_server import mlflow_server

NAMESPACE = DeployConfig().namespace
MLFLOW = MLFLOW_VARIABLES[MLFLOW_URI]


@pytest.fixture(scope="module")
def kserve(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Iterator[FakeKServeCluster]:
    """The tests of this module run in the order they stand."""
    folder = tmp_path_factory.mktemp("cluster")
    with (
        pytest.MonkeyPatch.context() as patch,
        mlflow_server(mlflow_database, folder / "store") as url,
        fake_kserve_cluster(folder, url) as running,
    ):
        for name, value in running.given.items():
            patch.setenv(name, value)
        patch.setenv("MLFLOW_TRACKING_URI", "")  # the code sets it from what is given; so it is gone afterwards
        connected(running.fake, folder, patch, running.clock)
        yield running


@pytest.fixture
def pods(kserve: FakeKServeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """The API server as a person sees it; a pod that it runs speaks to the kserve's."""
    with fake_cluster(tmp_path) as made:
        (tmp_path / "kubeconfig").write_text(json.dumps(made.kubeconfig()))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        made.pods_kubeconfig = kserve.folder / "config"
        made.set_data("ConfigMap", "forebay-steps", kserve.given)
        yield made


def back(kserve: FakeKServeCluster) -> tuple[str, str]:
    return roll_back(kserve.home, NAME, NAMESPACE, "rollback", lambda text: None, kserve.clock.timeouts)


def memory(kserve: FakeKServeCluster) -> str:
    limits: dict[str, str] = kserve.service["spec"]["predictor"]["model"]["resources"]["limits"]
    return limits["memory"]


def variables(kserve: FakeKServeCluster) -> dict[str, str]:
    model = kserve.service["spec"]["predictor"]["model"]
    return {variable["name"]: variable["value"] for variable in model.get("env", [])}


def test_before_a_second_champion_there_is_nothing_to_go_back_to(kserve: FakeKServeCluster) -> None:
    with pytest.raises(ModelError, match="No version was ever champion"):
        back(kserve)
    serve = ServeConfig(cors_origins="https://app.example", hosts="models.example")
    kserve.deploy(kserve.release(1), serve, replicas=2, memory="3Gi")
    assert kserve.champion == "1"
    with pytest.raises(ModelError, match="Only version 1 was ever champion"):
        back(kserve)


def test_a_rollback_serves_the_champion_before_as_it_was_served_and_proves_it(kserve: FakeKServeCluster) -> None:
    kserve.deploy(kserve.release(2))
    assert (kserve.champion, memory(kserve)) == ("2", "1Gi")
    assert variables(kserve) == {}
    version, url = back(kserve)
    assert (version, kserve.champion) == ("1", "1")
    assert url.endswith(f"/v1/models/{NAME}:predict")
    assert memory(kserve) == "3Gi"
    assert kserve.service["spec"]["predictor"]["minReplicas"] == 2
    assert variables(kserve)["FOREBAY_SERVE_CORS_ORIGINS"] == "https://app.example"
    names = variables(kserve)["FOREBAY_SERVE_HOSTS"].split(",")
    assert names[0] == "models.example"
    own = f"{NAME}-predictor.{NAMESPACE}.svc.cluster.local"  # by which the deploy step and the cluster's gateway ask
    assert own in names
    assert kserve.service["metadata"]["annotations"]["forebay.dev/run-id"] == "rollback"


def test_the_next_rollback_goes_one_further(kserve: FakeKServeCluster) -> None:
    with pytest.raises(ModelError, match="Only version 1 was ever champion"):
        back(kserve)


def test_a_deployment_that_was_killed_and_fails_again_puts_back_what_was_proved(kserve: FakeKServeCluster) -> None:
    broken = kserve.release(3)
    bundle = registry.resolve(kserve.home, f"{NAME}/{broken}")
    killed = service(bundle, DeployConfig(memory=TOO_LITTLE), "run-1")
    connect().apply(INFERENCE_SERVICES, killed)
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        kserve.deploy(broken, memory=TOO_LITTLE)
    assert (kserve.champion, memory(kserve)) == ("1", "3Gi")


def test_the_champion_deployed_anew_with_too_little_is_put_back_as_it_was(kserve: FakeKServeCluster) -> None:
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        kserve.deploy("1", memory=TOO_LITTLE)
    assert (kserve.champion, memory(kserve)) == ("1", "3Gi")


def test_a_rollback_to_a_version_that_does_not_come_up_changes_nothing(kserve: FakeKServeCluster) -> None:
    kserve.deploy(kserve.release(4))
    registry.save_serving_settings(kserve.home, NAME, "1", kept("1", kserve) | {"memory": TOO_LITTLE})
    with pytest.raises(DeployError, match=r"version 1 was not made champion: .*Version 4 keeps answering\.$"):
        back(kserve)
    assert (kserve.champion, memory(kserve)) == ("4", "1Gi")


@pytest.mark.parametrize("changes", [{"memory": "; rm"}, {"gpus": "all"}])
def test_what_is_kept_is_checked_like_settings_and_else_forgotten(
    kserve: FakeKServeCluster, changes: dict[str, str]
) -> None:
    bundle = registry.resolve(kserve.home, f"{NAME}/4")
    before = kept("4", kserve)
    registry.save_serving_settings(kserve.home, NAME, "4", before | changes)
    assert kept_deploy_config(kserve.home, bundle, NAMESPACE) is None
    registry.save_serving_settings(kserve.home, NAME, "4", before)
    assert kept_deploy_config(kserve.home, bundle, NAMESPACE) == DeployConfig(timeout_s=60)
    assert kept_deploy_config(kserve.home, bundle, "elsewhere") is None
    registry.save_serving_settings(kserve.home, NAME, "4", {"namespace": NAMESPACE, "service_account": "admin"})
    assert kept_deploy_config(kserve.home, bundle, NAMESPACE) == DeployConfig()
    registry.save_serving_settings(kserve.home, NAME, "4", before)


def test_a_champion_that_is_served_elsewhere_is_rolled_back_there_alone(kserve: FakeKServeCluster) -> None:
    with pytest.raises(ModelError, match=f"is champion in the namespace {NAMESPACE}: give --namespace {NAMESPACE}"):
        roll_back(kserve.home, NAME, "elsewhere", "rollback", lambda text: None, kserve.clock.timeouts)


def test_with_a_public_key_no_unsigned_version_is_rolled_out_nor_back(
    kserve: FakeKServeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kserve.service
    monkeypatch.setenv(VERIFY_KEY, make_pair(tmp_path).public.read_text())
    for roll in (lambda: kserve.deploy("4"), lambda: back(kserve)):
        with pytest.raises(ModelError, match=r"is not signed: it has no model\.sig"):
            roll()
    assert (kserve.champion, kserve.service) == ("4", before)
    assert VERIFY_KEY in _rollback_pod(NAME, NAMESPACE).config_keys  # the pod of `forebay rollback --cluster` has it


def test_the_command_does_it_from_a_machine_that_reaches_the_api_server_alone(
    kserve: FakeKServeCluster, pods: FakeCluster, tmp_path: Path
) -> None:
    """The pod really runs here, with what the chart gives to steps."""
    registry.save_serving_settings(kserve.home, NAME, "1", kept("1", kserve) | {"memory": "3Gi"})
    answer = ForebayHere(tmp_path)("rollback", NAME, "--cluster")
    assert answer.stdout.startswith(f"{NAME} version 1 is champion again and answers at http://127.0.0.1:")
    assert (kserve.champion, memory(kserve)) == ("1", "3Gi")
    assert pods.pod_names == []
    assert len(pods.deleted_pods) == 1


def test_where_a_version_is_served_that_is_not_champion_a_rollback_serves_the_champion(
    kserve: FakeKServeCluster,
) -> None:
    """A rollout left it whose API server went away for good."""
    bundle = registry.resolve(kserve.home, f"{NAME}/2")
    connect().apply(INFERENCE_SERVICES, service(bundle, DeployConfig(), "run-1"))
    told: list[str] = []
    assert roll_back(kserve.home, NAME, NAMESPACE, "rollback", told.append, kserve.clock.timeouts)[0] == "1"
    assert told[0] == f"{NAME}: version 2 is there, which is not the champion; back to version 1, which is"
    assert (kserve.champion, memory(kserve)) == ("1", "3Gi")


def test_where_there_is_nothing_to_go_back_to_the_command_is_wrong_use(pods: FakeCluster, tmp_path: Path) -> None:
    answer = ForebayHere(tmp_path)("rollback", NAME, "--cluster", expect=2)
    assert f"{NAME} has no champion to go back to. Only version 1 was ever champion." in answer.stderr
    answer = ForebayHere(tmp_path)("rollback", "nothing", "--cluster", expect=2)
    assert "nothing has no champion to go back to" in answer.stderr
    assert pods.pod_names == []


def test_pods_are_told_the_digest_and_refuse_what_became_another_bundle_on_its_way(
    kserve: FakeKServeCluster,
) -> None:
    before, version = kserve.champion, kserve.release(9)
    bundle = registry.resolve(kserve.home, f"{NAME}/{version}")
    assert bundle.record is not None
    told = service(bundle, DeployConfig(), "run-1")
    assert told["metadata"]["annotations"]["forebay.dev/bundle-digest"] == bundle.record.digest
    assert told["spec"]["predictor"]["model"]["args"][-2:] == ["--bundle-digest", bundle.record.digest]
    (kserve.bundles[version] / "added").write_text("x")  # what KServe brought, not what the registry keeps
    words = rf"version {version} was not made champion.*Version {before} keeps answering"
    with pytest.raises(DeployError, match=words):
        kserve.deploy(version)
    assert kserve.champion == before


@contextmanager
def turned(kserve: FakeKServeCluster, version: str) -> Iterator[str]:
    """A version whose copy on this disk has other classes; the words of the refusal."""
    spec = registry.resolve(kserve.home, f"{NAME}/{version}").folder / SPEC
    whole = spec.read_bytes()
    spec.write_bytes(whole.replace(b"class-1", b"class-0", 1))
    yield rf"{NAME} version {version} is refused: .*{SPEC} was changed.*remove .*, and it is fetched again"
    spec.write_bytes(whole)


def test_what_was_changed_since_it_was_registered_is_neither_deployed_nor_rolled_back_to(
    kserve: FakeKServeCluster,
) -> None:
    kserve.deploy("2")
    with turned(kserve, "1") as words, pytest.raises(ModelError, match=words):
        back(kserve)
    with turned(kserve, "4") as words, pytest.raises(ModelError, match=words):
        kserve.deploy("4")
    assert kserve.champion == "2"
    assert back(kserve)[0] == "1"


@pytest.mark.parametrize("kind", ["reset", "half", "busy"])
def test_an_mlflow_server_that_is_away_at_each_call_in_turn_ends_no_rollout(
    kserve: FakeKServeCluster, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = kserve.release({"reset": 11, "half": 12, "busy": 13}[kind])
    with wired(kserve.given[MLFLOW]) as wire:
        monkeypatch.setenv(MLFLOW, wire.url)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        wire.kind, wire.each = kind, True
        kserve.deploy(version)
        assert wire.cuts > 3
        wire.each = False
        assert kserve.champion == version
        assert kept(version, kserve)["namespace"] == NAMESPACE


def kept(version: str, kserve: FakeKServeCluster) -> dict[str, object]:
    return registry.load_serving_settings(kserve.home, NAME, version)
