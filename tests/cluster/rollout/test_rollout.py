"""A rollout over the wire: what is applied, when it counts as served, and what the API server refuses."""

from pathlib import Path

import pytest

from forebay.cluster.rollout.inference_service import rollout_labels
from forebay.errors import ConfigError, DeployError, WrongVersionError
from forebay.kube.client import ApiError, KubeClient, connect
from forebay.kube.resource_types import INFERENCE_SERVICES
from forebay.serving.client import PredictionFailedError
from support.fake_kube import FakeKubeApi, Object
from support.fake_rollout import READY, Registry, RollOut, served, wanted


def test_a_version_is_applied_waited_for_and_proved(roll_out: RollOut, fake: FakeKubeApi) -> None:
    seen: list[str] = []
    assert roll_out("1", seen.append) == "http://digits-predictor.ml"
    assert seen == ["http://digits-predictor.ml"]
    assert [call for call in fake.calls if call.startswith("PATCH")] == ["PATCH digits"]


def test_pods_of_the_same_version_with_other_settings_are_not_taken_for_the_new_ones(
    roll_out: RollOut, fake: FakeKubeApi
) -> None:
    """KServe takes a moment: the first looks show the old pods, ready, and the old status."""
    roll_out("1")
    old = (READY, fake.pods)
    looks: list[Object] = []
    plan = fake.controller

    def later(service: Object) -> tuple[Object, list[Object]]:
        fake.next_states = [old, old, plan(service)]
        return old

    fake.controller = later
    roll_out("1", lambda url: looks.extend(fake.pods), memory="2Gi")
    assert [pod["metadata"]["labels"] for pod in looks] == [rollout_labels(wanted("1", "2Gi"))]


def test_a_rollout_that_another_one_overtakes_leaves_that_alone(
    api: KubeClient, roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    roll_out("1")

    def overtaken(url: str) -> None:
        roll_out("3")
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"Somebody else rolled out version 3 of ml/digits meanwhile. It is left al"):
        roll_out("2", overtaken)
    assert (served(fake), registry.champion) == ("3", "3")
    with pytest.raises(DeployError, match=r"Somebody else rolled out version 4 of ml/digits meanwhile. It is left al"):
        roll_out("2", lambda url: api.apply(INFERENCE_SERVICES, wanted("4")))
    assert (served(fake), registry.champion) == ("4", "3")


def test_a_version_that_was_promoted_meanwhile_is_not_overruled(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    roll_out("1")
    with pytest.raises(DeployError, match=r"Version 9 was made champion meanwhile\. It is left alone\."):
        roll_out("2", lambda url: setattr(registry, "champion", "9"))
    assert registry.champion == "9"


@pytest.mark.parametrize(
    "late", [WrongVersionError("1 answered."), ConfigError("Nothing answers."), PredictionFailedError("400: shape")]
)
def test_a_pod_on_its_way_out_may_answer_for_a_moment(roll_out: RollOut, registry: Registry, late: Exception) -> None:
    asked: list[str] = []

    def prove(url: str) -> None:
        asked.append(url)
        if len(asked) < 3:
            raise late

    roll_out("1", prove)
    assert (len(asked), registry.champion) == (3, "1")


def test_an_api_server_that_is_away_for_a_moment_ends_no_rollout(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    roll_out("1")
    plan = fake.controller

    def away(service: Object) -> tuple[Object, list[Object]]:
        fake.next_refusal = (503, "the server is currently unable to handle the request")
        return plan(service)

    fake.controller = away
    roll_out("2")
    assert registry.champion == "2"

    def otherwise(url: str) -> None:
        fake.next_refusal = (503, "the server is currently unable to handle the request")
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"Version 2 keeps answering\.$"):
        roll_out("3", otherwise)
    assert served(fake) == "2"


def test_an_alias_that_moved_before_the_registry_broke_off_is_no_failure(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    def breaks_off() -> None:
        raise RuntimeError("MLflow went away")

    roll_out("1")
    roll_out("2", then=breaks_off)
    assert (served(fake), registry.champion) == ("2", "2")


def test_the_same_rollout_done_by_another_try_meanwhile_is_done(
    roll_out: RollOut, fake: FakeKubeApi, registry: Registry
) -> None:
    roll_out("1")
    roll_out("2", lambda url: setattr(registry, "champion", "2"))
    assert (served(fake), registry.champion) == ("2", "2")


def test_another_version_that_goes_on_answering_is_a_failure(roll_out: RollOut, fake: FakeKubeApi) -> None:
    def prove(url: str) -> None:
        raise WrongVersionError("version 1 answered where 2 was expected.")

    with pytest.raises(DeployError, match=r"version 1 answered where 2 was expected\. Nothing is served instead"):
        roll_out("2", prove, settle_s=0.0)


def test_a_service_of_somebody_elses_is_never_touched(roll_out: RollOut, fake: FakeKubeApi) -> None:
    theirs = {"metadata": {"name": "digits", "namespace": "ml", "resourceVersion": "1"}, "spec": {"predictor": {}}}
    fake.custom_objects["digits"] = theirs
    with pytest.raises(DeployError, match="that Forebay did not make"):
        roll_out("1")
    assert fake.custom_objects["digits"] == theirs


@pytest.mark.parametrize(
    ("status", "fix"),
    [(401, "has expired: log in again"), (403, "Ask for that right"), (422, "breaks a rule"), (500, "Try again")],
)
def test_what_the_server_refuses_is_said_in_its_words_with_the_fix(
    api: KubeClient, fake: FakeKubeApi, status: int, fix: str
) -> None:
    fake.refusal = (status, "the server's own words.")
    with pytest.raises(ApiError) as caught:
        api.apply(INFERENCE_SERVICES, wanted("1"))
    said = str(caught.value)
    assert f"answers {status} to PATCH /apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/digits: " in said
    assert "the server's own words. " in said
    assert fix in said
    assert caught.value.status == status


def test_a_server_that_is_gone_and_a_context_that_is_none_are_named(
    api: KubeClient, fake: FakeKubeApi, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"There is no cluster to talk to: .*nowhere"):
        connect("nowhere")
    config = tmp_path / "config"
    config.write_text(config.read_text().replace(fake.url, "http://127.0.0.1:9"))
    with pytest.raises(ApiError, match=r"http://127\.0\.0\.1:9 does not answer: .*Is the cluster up"):
        connect().find(INFERENCE_SERVICES, "ml", "digits")
