"""A submission whose wire is cut at each of its requests in turn: one run, one version, the right end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.connection_faults import RETRY_AFTER_S, Wire
from support.fake_kube import FakeCluster, cluster_with_pipelines
from support.fake_pipelines_api import FakePipelines, fake_pipelines, recorded
from support.forebay_command import Forebay, ForebayHere

KINDS = ("unanswered", "half", "busy")


@pytest.mark.parametrize("kind", KINDS)
def test_one_run_is_started_and_followed_to_its_end_whichever_request_is_cut(kind: str, forebay: ForebayHere) -> None:
    with fake_pipelines(recorded("done")) as fake:
        forebay("submit", "--host", fake.url, "--json")
        count = len(fake.wire.asked)
    for at in range(count):
        with fake_pipelines(recorded("done")) as fake:
            fake.wire = Wire(kind, at)
            forebay.clock.pauses.clear()
            ended = forebay("submit", "--host", fake.url, "--json")
        assert json.loads(ended.stdout)["state"] == "done", at
        assert fake.wire.cuts == 1
        assert (len(fake.runs), len(fake.experiments), len(fake.files)) == (1, 1, 2), at
        assert forebay.clock.waited_s == (RETRY_AFTER_S if kind == "busy" else 1), at
    assert count > 10


@pytest.fixture
def through_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    """Kubeflow Pipelines behind an API server, by the kubeconfig."""
    with cluster_with_pipelines(tmp_path, monkeypatch) as made:
        yield made


def test_an_api_server_without_roles_is_waited_for_on_the_way_to_pipelines(
    through_cluster: FakeCluster, tmp_path: Path
) -> None:
    forebay = ForebayHere(tmp_path)
    forebay("submit", "--no-wait")
    count, kfp = len(through_cluster.wire.asked), through_cluster.pipelines
    assert kfp is not None
    for at in range(count):
        through_cluster.wire = Wire("roleless", at)
        forebay("submit", "--no-wait")
    assert len(kfp.runs) == 1 + count


def test_the_login_of_a_kubeconfig_that_has_expired_names_the_kubeconfig_and_no_variable(
    through_cluster: FakeCluster, tmp_path: Path
) -> None:
    assert through_cluster.pipelines is not None
    through_cluster.pipelines.token = "another"
    said = ForebayHere(tmp_path)("submit", expect=1).stderr
    assert "answers 401" in said
    assert "The login of the kubeconfig (its current context) is absent, wrong or has expired: log in to the" in said
    assert "FOREBAY_KFP_TOKEN" not in said
    said = ForebayHere(tmp_path)("submit", "--context", "fake", expect=1).stderr
    assert "The login of the kubeconfig (the context fake)" in said


def test_a_host_without_a_token_and_a_file_of_one_are_told_apart(
    forebay: Forebay, done: FakePipelines, tmp_path: Path
) -> None:
    done.token = "right"
    assert (
        "The token is absent: give one in FOREBAY_KFP_TOKEN" in forebay("submit", "--host", done.url, expect=1).stderr
    )
    (tmp_path / "token").write_text("old\n")
    forebay.environment["FOREBAY_KFP_TOKEN_FILE"] = str(tmp_path / "token")
    said = forebay("submit", "--host", done.url, expect=1).stderr
    assert f"renew the file {tmp_path / 'token'}, which FOREBAY_KFP_TOKEN_FILE names" in said


def test_a_server_that_is_away_is_told_once_and_given_up_after_a_minute(
    forebay: ForebayHere, done: FakePipelines
) -> None:
    done.refuses["/apis/v2beta1/healthz"] = (503, "no healthy upstream")
    said = forebay("submit", "--host", done.url, expect=1).stderr
    assert said.count("It is asked again for up to 60 s.") == 1
    assert 50 <= forebay.clock.waited_s <= 61
