"""A rollout over the wire: what is applied, when it counts as served, and what answers after a failure."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test.support import catch_unraisable_exception

from api_double import ApiDouble, Object, api_double, connected
from forebay.cluster.api import INFERENCE_SERVICES, Api, ApiError, connect
from forebay.cluster.ending import ended_by_signals
from forebay.deploy import kserve
from forebay.deploy.inference_service import VERSION_LABEL, Deployment, Resources, inference_service, marks
from forebay.deploy.kserve import Rollout
from forebay.errors import ConfigError, DeployError, OtherVersionError
from forebay.serving.client import AnswerError

RollOut = Callable[..., str]
CRASH = json.loads((Path(__file__).parent / "recorded" / "crash.json").read_text())
READY = {"conditions": [{"type": "Ready", "status": "True"}], "address": {"url": "http://digits-predictor.ml"}}


def wanted(version: str, memory: str = "1Gi") -> Object:
    return inference_service(
        Deployment(
            name="digits", namespace="ml", version=version, storage_uri="s3://b/m", weights_sha256="a" * 64,
            data_digest="d", code_version="c", run_id="r", resources=Resources(memory=memory, memory_limit=memory),
        )
    )  # fmt: skip


def becomes(service: Object) -> tuple[Object, list[Object]]:
    """A version named bad ends as the recorded one did; any other comes up."""
    version = service["metadata"]["labels"][VERSION_LABEL]
    if version.startswith("bad"):
        (pod,) = CRASH["pods"]
        return CRASH["service"]["status"], [_labelled(pod, service)]
    pod = {"metadata": {"name": f"digits-{version}"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    return READY, [_labelled(pod, service)]


def _labelled(pod: Object, service: Object) -> Object:
    return {**pod, "metadata": {**pod["metadata"], "labels": marks(service)}}


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with api_double(becomes) as running:
        yield running


@pytest.fixture
def api(double: ApiDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(kserve, "STAYS_S", 0.0)
    return connected(double, tmp_path, monkeypatch)


@dataclass
class Registry:
    """Which version is champion, and how that one is served where this is known."""

    champion: str | None = None
    knows: bool = True


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def roll_out(api: Api, registry: Registry) -> RollOut:
    """Roll a version out; it is champion afterwards."""

    def act(version: str, prove: Any = lambda url: None, then: Any = lambda: None, memory: str = "1Gi") -> str:
        def promote() -> None:
            registry.champion = version
            then()

        champion = registry.champion
        known = wanted(champion) if champion and registry.knows else None
        rollout = Rollout(
            api=api, timeout_s=20, tell=lambda text: None, champion=lambda: registry.champion,
            champions_service=lambda: known,
        )  # fmt: skip
        return rollout.run(wanted(version, memory), prove, promote)

    return act


def memory(double: ApiDouble) -> str:
    limits: dict[str, str] = double.services["digits"]["spec"]["predictor"]["model"]["resources"]["limits"]
    return limits["memory"]


def served(double: ApiDouble) -> str:
    version: str = double.services["digits"]["metadata"]["labels"][VERSION_LABEL]
    return version


def test_a_version_is_applied_waited_for_and_proved(roll_out: RollOut, double: ApiDouble) -> None:
    seen: list[str] = []
    assert roll_out("1", seen.append) == "http://digits-predictor.ml"
    assert seen == ["http://digits-predictor.ml"]
    assert [call for call in double.calls if call.startswith("PATCH")] == ["PATCH digits"]


def test_a_first_version_that_fails_leaves_nothing(roll_out: RollOut, double: ApiDouble) -> None:
    double.log = "usage: python -m forebay.serving\nerror: unrecognized arguments: --nope\n"
    with pytest.raises(DeployError) as caught:
        roll_out("bad")
    said = str(caught.value)
    assert "digits version bad was not made champion: The server does not stay up: kserve-container of probe-" in said
    assert "Its last lines: usage: python -m forebay.serving | error: unrecognized arguments: --nope" in said
    assert said.endswith("Nothing is served instead.")
    assert double.services == {}


def test_the_version_before_is_put_back_whole_and_answers(roll_out: RollOut, double: ApiDouble) -> None:
    roll_out("1")
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert {key: double.services["digits"][key] for key in ("apiVersion", "kind", "spec")} == {
        key: wanted("1")[key] for key in ("apiVersion", "kind", "spec")
    }
    assert double.services["digits"]["metadata"]["labels"] == wanted("1")["metadata"]["labels"]


def test_a_version_that_answers_otherwise_is_put_back_too(roll_out: RollOut, double: ApiDouble) -> None:
    roll_out("1")

    def otherwise(url: str) -> None:
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"probabilities differ\. Version 1 keeps answering"):
        roll_out("2", otherwise)
    assert served(double) == "1"


def test_what_a_killed_rollout_left_is_not_what_is_put_back(api: Api, roll_out: RollOut, double: ApiDouble) -> None:
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("bad"))  # and its pod was killed before anything else
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert served(double) == "1"


def test_a_champion_that_was_applied_anew_and_never_came_up_is_put_back_as_it_was_proved(
    api: Api, roll_out: RollOut, double: ApiDouble
) -> None:
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("1", "1Mi"))
    double.services["digits"]["status"] = CRASH["service"]["status"]
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out("bad")
    assert memory(double) == "1Gi"


def test_a_first_version_that_was_killed_and_fails_when_it_is_tried_again_leaves_nothing(
    api: Api, roll_out: RollOut, double: ApiDouble
) -> None:
    api.apply(INFERENCE_SERVICES, wanted("bad"))
    with pytest.raises(DeployError, match=r"Nothing is served instead\.$"):
        roll_out("bad")
    assert double.services == {}


def test_where_nobody_knows_how_the_champion_was_served_what_is_there_stays(
    api: Api, roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    registry.champion, registry.knows = "7", False
    api.apply(INFERENCE_SERVICES, wanted("1"))
    with pytest.raises(DeployError, match=r"Version 1 is there as before\.$"):
        roll_out("bad")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_puts_back_what_was_and_ends_the_step(
    roll_out: RollOut, double: ApiDouble, number: signal.Signals, status: int
) -> None:
    roll_out("1")
    with pytest.raises(SystemExit) as caught:
        roll_out("2", lambda url: signal.raise_signal(number))
    assert caught.value.code == status
    assert served(double) == "1"


def test_a_signal_to_a_first_version_leaves_nothing(roll_out: RollOut, double: ApiDouble) -> None:
    with pytest.raises(SystemExit):
        roll_out("1", lambda url: signal.raise_signal(signal.SIGTERM))
    assert double.services == {}


def test_a_signal_while_the_alias_moves_comes_too_late(
    roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    roll_out("1")
    roll_out("2", then=lambda: signal.raise_signal(signal.SIGTERM))
    assert (served(double), registry.champion) == ("2", "2")


def test_a_signal_whose_exception_python_drops_is_obeyed_all_the_same() -> None:
    class Ends:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with ended_by_signals() as ending:
        with catch_unraisable_exception():
            Ends()
        with pytest.raises(SystemExit):
            ending.check()


def test_pods_of_the_same_version_with_other_settings_are_not_taken_for_the_new_ones(
    roll_out: RollOut, double: ApiDouble
) -> None:
    """KServe takes a moment: the first looks show the old pods, ready, and the old status."""
    roll_out("1")
    old = (READY, double.pods)
    looks: list[Object] = []
    plan = double.plan

    def later(service: Object) -> tuple[Object, list[Object]]:
        double.later = [old, old, plan(service)]
        return old

    double.plan = later
    roll_out("1", lambda url: looks.extend(double.pods), memory="2Gi")
    assert [pod["metadata"]["labels"] for pod in looks] == [marks(wanted("1", "2Gi"))]


def test_a_rollout_that_another_one_overtakes_leaves_that_alone(
    api: Api, roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    roll_out("1")

    def overtaken(url: str) -> None:
        roll_out("3")
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"Somebody else rolled out version 3 of ml/digits meanwhile. It is left al"):
        roll_out("2", overtaken)
    assert (served(double), registry.champion) == ("3", "3")
    with pytest.raises(DeployError, match=r"Somebody else rolled out version 4 of ml/digits meanwhile. It is left al"):
        roll_out("2", lambda url: api.apply(INFERENCE_SERVICES, wanted("4")))
    assert (served(double), registry.champion) == ("4", "3")


def test_a_version_that_was_promoted_meanwhile_is_not_overruled(
    roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    roll_out("1")
    with pytest.raises(DeployError, match=r"Version 9 was made champion meanwhile\. It is left alone\."):
        roll_out("2", lambda url: setattr(registry, "champion", "9"))
    assert registry.champion == "9"


def test_what_was_never_proved_is_not_said_to_answer(api: Api, roll_out: RollOut, double: ApiDouble) -> None:
    api.apply(INFERENCE_SERVICES, wanted("1"))
    with pytest.raises(DeployError, match=r"Version 1 is there as before\.$"):
        roll_out("bad")


@pytest.mark.parametrize("verb", ["DELETE", "PATCH"])
def test_a_signal_in_the_middle_of_putting_back_comes_after_it(
    roll_out: RollOut, double: ApiDouble, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    if verb == "PATCH":
        roll_out("1")
    method = {"DELETE": "delete", "PATCH": "apply"}[verb]
    before = getattr(Api, method)

    def interrupted(self: Api, *words: Any) -> Any:
        if double.services and served(double) == "2":
            signal.raise_signal(signal.SIGTERM)
        return before(self, *words)

    def otherwise(url: str) -> None:
        monkeypatch.setattr(Api, method, interrupted)
        raise DeployError("probabilities differ.")

    with pytest.raises(SystemExit):
        roll_out("2", otherwise)
    assert [served(double)] == ["1"] if verb == "PATCH" else double.services == {}


@pytest.mark.parametrize(
    "late", [OtherVersionError("1 answered."), ConfigError("Nothing answers."), AnswerError("400: shape")]
)
def test_a_pod_on_its_way_out_may_answer_for_a_moment(
    roll_out: RollOut, registry: Registry, monkeypatch: pytest.MonkeyPatch, late: Exception
) -> None:
    monkeypatch.setattr(kserve, "PAUSE_S", 0.0)
    asked: list[str] = []

    def prove(url: str) -> None:
        asked.append(url)
        if len(asked) < 3:
            raise late

    roll_out("1", prove)
    assert (len(asked), registry.champion) == (3, "1")


def test_an_api_server_that_is_away_for_a_moment_ends_no_rollout(
    roll_out: RollOut, double: ApiDouble, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kserve, "PAUSE_S", 0.0)
    roll_out("1")
    plan = double.plan

    def away(service: Object) -> tuple[Object, list[Object]]:
        double.refuses_once = (503, "the server is currently unable to handle the request")
        return plan(service)

    double.plan = away
    roll_out("2")
    assert registry.champion == "2"

    def otherwise(url: str) -> None:
        double.refuses_once = (503, "the server is currently unable to handle the request")
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"Version 2 keeps answering\.$"):
        roll_out("3", otherwise)
    assert served(double) == "2"


def test_what_a_killed_rollout_left_is_put_right_although_nothing_was_applied(
    api: Api, roll_out: RollOut, double: ApiDouble
) -> None:
    """It is not somebody else's."""
    roll_out("1")
    api.apply(INFERENCE_SERVICES, wanted("5"))
    double.services["digits"]["status"] = {}
    apply = Api.apply

    def refused(self: Api, resource: Any, service: Object) -> Object:
        if service["metadata"]["labels"][VERSION_LABEL] == "6":
            raise ApiError("admission refuses it.", 422)
        return apply(self, resource, service)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "apply", refused)
        with pytest.raises(DeployError, match=r"admission refuses it\. Version 1 keeps answering\.$"):
            roll_out("6")
    assert served(double) == "1"


def test_an_alias_that_moved_before_the_registry_broke_off_is_no_failure(
    roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    def breaks_off() -> None:
        raise RuntimeError("MLflow went away")

    roll_out("1")
    roll_out("2", then=breaks_off)
    assert (served(double), registry.champion) == ("2", "2")


def test_the_same_rollout_done_by_another_try_meanwhile_is_done(
    roll_out: RollOut, double: ApiDouble, registry: Registry
) -> None:
    roll_out("1")
    roll_out("2", lambda url: setattr(registry, "champion", "2"))
    assert (served(double), registry.champion) == ("2", "2")


def test_another_version_that_goes_on_answering_is_a_failure(
    roll_out: RollOut, double: ApiDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kserve, "SETTLES_S", 0.0)

    def prove(url: str) -> None:
        raise OtherVersionError("version 1 answered where 2 was expected.")

    with pytest.raises(DeployError, match=r"version 1 answered where 2 was expected\. Nothing is served instead"):
        roll_out("2", prove)


def test_a_service_of_somebody_elses_is_never_touched(roll_out: RollOut, double: ApiDouble) -> None:
    theirs = {"metadata": {"name": "digits", "namespace": "ml", "resourceVersion": "1"}, "spec": {"predictor": {}}}
    double.services["digits"] = theirs
    with pytest.raises(DeployError, match="that Forebay did not make"):
        roll_out("1")
    assert double.services["digits"] == theirs


@pytest.mark.parametrize(
    ("status", "fix"),
    [(401, "has expired: log in again"), (403, "Ask for that right"), (422, "breaks a rule"), (500, "Try again")],
)
def test_what_the_server_refuses_is_said_in_its_words_with_the_fix(
    api: Api, double: ApiDouble, status: int, fix: str
) -> None:
    double.refuses = (status, "the server's own words.")
    with pytest.raises(ApiError) as caught:
        api.apply(INFERENCE_SERVICES, wanted("1"))
    said = str(caught.value)
    assert f"answers {status} to PATCH /apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/digits: " in said
    assert "the server's own words. " in said
    assert fix in said
    assert caught.value.status == status


def test_a_server_that_is_gone_and_a_context_that_is_none_are_named(
    api: Api, double: ApiDouble, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"There is no cluster to talk to: .*nowhere"):
        connect("nowhere")
    config = tmp_path / "config"
    config.write_text(config.read_text().replace(double.url, "http://127.0.0.1:9"))
    with pytest.raises(ApiError, match=r"http://127\.0\.0\.1:9 does not answer: .*Is the cluster up"):
        connect().find(INFERENCE_SERVICES, "ml", "digits")
