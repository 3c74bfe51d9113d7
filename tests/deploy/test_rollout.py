"""A rollout over the wire: what is applied, when it counts as served, and what answers after a failure."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_double import ApiDouble, Object, api_double, connected
from forebay.cluster.api import INFERENCE_SERVICES, Api, ApiError, connect
from forebay.deploy import kserve
from forebay.deploy.inference_service import VERSION_LABEL, Deployment, inference_service
from forebay.deploy.kserve import Rollout
from forebay.errors import ConfigError, DeployError

CRASH = json.loads((Path(__file__).parent / "recorded" / "crash.json").read_text())
READY = {"conditions": [{"type": "Ready", "status": "True"}], "address": {"url": "http://digits-predictor.ml"}}


def wanted(version: str) -> Object:
    return inference_service(
        Deployment(
            name="digits", namespace="ml", version=version, storage_uri="s3://b/m", weights_sha256="a" * 64,
            data_digest="d", code_version="c", run_id="r",
        )
    )  # fmt: skip


def becomes(service: Object) -> tuple[Object, list[Object]]:
    """A version named bad ends as the recorded one did; any other comes up."""
    version = service["metadata"]["labels"][VERSION_LABEL]
    if version.startswith("bad"):
        (pod,) = CRASH["pods"]
        return CRASH["service"]["status"], [_labelled(pod, version)]
    pod = {"metadata": {"name": f"digits-{version}"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    return READY, [_labelled(pod, version)]


def _labelled(pod: Object, version: str) -> Object:
    return {**pod, "metadata": {**pod["metadata"], "labels": {VERSION_LABEL: version}}}


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with api_double(becomes) as running:
        yield running


@pytest.fixture
def api(double: ApiDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(kserve, "STAYS_S", 0.0)
    return connected(double, tmp_path, monkeypatch)


def roll_out(api: Api, version: str, prove: Any = lambda url: None) -> str:
    return Rollout(api=api, timeout_s=20, tell=lambda text: None).run(wanted(version), prove)


def test_a_version_is_applied_waited_for_and_proved(api: Api, double: ApiDouble) -> None:
    seen: list[str] = []
    assert roll_out(api, "1", seen.append) == "http://digits-predictor.ml"
    assert seen == ["http://digits-predictor.ml"]
    assert [call for call in double.calls if call.startswith("PATCH")] == ["PATCH digits"]


def test_a_first_version_that_fails_leaves_nothing(api: Api, double: ApiDouble) -> None:
    double.log = "usage: python -m forebay.serving\nerror: unrecognized arguments: --nope\n"
    with pytest.raises(DeployError) as caught:
        roll_out(api, "bad")
    said = str(caught.value)
    assert "digits version bad was not made champion: The server does not stay up: kserve-container of probe-" in said
    assert "Its last lines: usage: python -m forebay.serving | error: unrecognized arguments: --nope" in said
    assert said.endswith("Nothing is served instead.")
    assert double.services == {}


def test_the_version_before_is_put_back_whole_and_answers(api: Api, double: ApiDouble) -> None:
    roll_out(api, "1")
    with pytest.raises(DeployError, match=r"Version 1 keeps answering\.$"):
        roll_out(api, "bad")
    assert {key: double.services["digits"][key] for key in ("apiVersion", "kind", "spec")} == {
        key: wanted("1")[key] for key in ("apiVersion", "kind", "spec")
    }
    assert double.services["digits"]["metadata"]["labels"] == wanted("1")["metadata"]["labels"]


def test_a_version_that_answers_otherwise_is_put_back_too(api: Api, double: ApiDouble) -> None:
    roll_out(api, "1")

    def otherwise(url: str) -> None:
        raise DeployError("probabilities differ.")

    with pytest.raises(DeployError, match=r"probabilities differ\. Version 1 keeps answering"):
        roll_out(api, "2", otherwise)
    assert double.services["digits"]["metadata"]["labels"][VERSION_LABEL] == "1"


def test_a_service_of_somebody_elses_is_never_touched(api: Api, double: ApiDouble) -> None:
    theirs = {"metadata": {"name": "digits", "namespace": "ml", "resourceVersion": "1"}, "spec": {"predictor": {}}}
    double.services["digits"] = theirs
    with pytest.raises(DeployError, match="that Forebay did not make"):
        roll_out(api, "1")
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
