"""A run on a cluster, told as the same events and summed up as the same object as a run here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config import kube_config

from forebay.backend.summary import Event, StepFailedError
from forebay.backend.summary_text import summary_rows
from forebay.cluster.runs.login import PipelinesLogin
from forebay.cluster.runs.pipelines_client import PipelinesError, connect
from forebay.cluster.runs.run import follow
from forebay.cluster.runs.run_follower import RunFollower
from forebay.cluster.runs.workflow_nodes import steps_of
from forebay.errors import ClusterError, ConfigError
from forebay.kube.retries import START_RETRY_S
from forebay.state.events import LOG_PREFIX, format_event
from support.fake_pipelines_api import FakePipelines, fake_pipelines, recorded
from support.loopback_server import kubeconfig
from support.manual_clock import ManualClock

CLOCK = ManualClock()


def _follower(fake: FakePipelines, events: list[Event]) -> RunFollower:
    client = connect(PipelinesLogin(host=fake.url), CLOCK.retry_budget(START_RETRY_S))
    return RunFollower(client, "r1", events.append, CLOCK.timeouts.follow)


def _early(run: dict[str, Any]) -> dict[str, Any]:
    """The same run while its first step runs, after half of what it will have written."""
    pod = steps_of(run["workflow"])["ingest"].attempts[0].pod
    log = run["logs"][pod]
    state = {**run["run"], "state": "RUNNING"}
    nodes = {key: node for key, node in run["workflow"]["status"]["nodes"].items() if ".ingest" in node["name"]}
    running = {key: {**node, "phase": "Running"} for key, node in nodes.items()}
    return {
        "run": state,
        "workflow": {**run["workflow"], "status": {"phase": "Running", "nodes": running}},
        "logs": {pod: log[: len(log) // 2]},
    }


def test_a_run_that_ended_well_gives_the_summary_of_a_run_here() -> None:
    with fake_pipelines(recorded("done")) as fake:
        summary = follow(_follower(fake, []), [])
    assert summary["state"] == "done"
    assert [step["name"] for step in summary["steps"]] == [
        "ingest", "preprocess", "train", "evaluate", "register", "deploy",
    ]  # fmt: skip
    assert summary["data"]["rows"] == 1797
    assert summary["accuracy"]["value"] > 0.99
    assert summary["url"].endswith("/v1/models/digits:predict")
    assert summary["report"].startswith("s3://mlpipeline/v2/artifacts/forebay-training/")
    assert summary["error"] is None
    assert summary["seconds"] > 60


def test_a_batch_has_ended_well_when_it_has_said_what_it_wrote() -> None:
    run = recorded("done")
    [pod] = {each.pod for each in steps_of(run["workflow"])["evaluate"].attempts}
    facts = {"rows": 9, "quarantined": {"unreadable": 1}, "out": "s3://bucket/p.parquet"}
    told = {"time": "2026-11-22T06:22:00+00:00", "step": "evaluate", "kind": "result", "predictions": facts}
    run["logs"][pod] = LOG_PREFIX + format_event(told)
    with fake_pipelines(run) as fake:
        summary = follow(_follower(fake, []), [])
    assert (summary["state"], summary["gate"], summary["predictions"]) == ("done", None, facts)
    rows = dict(summary_rows(summary))
    assert (rows["rows"], rows["out"]) == ("9 predicted, quarantined: 1 unreadable", "s3://bucket/p.parquet")


def test_events_are_told_once_however_often_one_looks() -> None:
    run = recorded("done")
    events: list[Event] = []
    with fake_pipelines(_early(run), _early(run), run) as fake:
        fake.live = "ui"
        follow(_follower(fake, events), [])
    started = [event["step"] for event in events if event["kind"] == "started"]
    assert started == ["ingest", "preprocess", "train", "evaluate", "register", "deploy"]
    assert len({event["time"] for event in events}) == len(events)


@pytest.mark.parametrize("live", ["ui", "cluster"])
def test_what_a_running_step_says_is_told_while_it_runs(
    live: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = recorded("done")
    with fake_pipelines(_early(run), run) as fake:
        fake.live = live
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig(fake.url)))
        # the client reads KUBECONFIG when it is imported
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
        told: list[Event] = []
        backend = connect(PipelinesLogin(host=fake.url if live == "ui" else ""))
        follower = RunFollower(backend, "r1", told.append)
        assert not follower._look()
    assert [event["step"] for event in told if event["kind"] == "started"] == ["ingest"]


def test_the_gates_no_is_no_failure() -> None:
    with fake_pipelines(recorded("refused")) as fake:
        summary = follow(_follower(fake, []), [])
    assert summary["state"] == "refused"
    assert "below evaluate.min_accuracy 0.999" in summary["gate"]["reason"]
    assert [step["name"] for step in summary["steps"] if step["cached"]] == ["ingest", "preprocess", "train"]


def test_the_decision_is_the_one_in_the_gates_artifact() -> None:
    gate = {"passed": False, "reason": "what the artifact says", "version": None, "champion": None}
    with fake_pipelines(recorded("refused")) as fake:
        report = follow(_follower(fake, []), [])["report"]
        fake.artifacts = {report.replace("report.html", "evaluation.json"): json.dumps({"gate": gate})}
        summary = follow(_follower(fake, []), [])
    assert summary["state"] == "refused"
    assert summary["gate"] == {"passed": False, "reason": "what the artifact says"}


def test_a_step_that_failed_says_why_in_its_own_words() -> None:
    with fake_pipelines(recorded("failed")) as fake:
        follower = _follower(fake, [])
        with pytest.raises(
            StepFailedError, match=r"^ingest: ingest\.data: s3://nosuchbucket/x cannot be listed"
        ) as error:
            follow(follower, [])
        lines = follower.last_lines()
    assert error.value.summary["state"] == "failed"
    assert any("NoSuchBucket" in line for line in lines)
    assert not any("launcher_v2.go" in line for line in lines)  # of KFP, not of the step


def test_a_step_that_was_killed_is_named_with_the_clusters_words() -> None:
    run = recorded("failed")
    run["logs"] = {}
    for node in run["workflow"]["status"]["nodes"].values():
        if node["name"].endswith("executor(0)"):
            node["message"] = "OOMKilled (exit code 137)"
    with fake_pipelines(run) as fake, pytest.raises(StepFailedError, match=r"ingest: its pod .* OOMKilled"):
        follow(_follower(fake, []), [])


def test_what_a_waiting_pod_waits_for_is_told_once() -> None:
    events: list[Event] = []
    waiting, ended = recorded("waiting"), recorded("terminated")
    with (
        fake_pipelines(waiting, waiting, ended) as fake,
        pytest.raises(ClusterError, match="Run r1 was terminated before its end"),
    ):
        follow(_follower(fake, events), [])
    warnings = [event["text"] for event in events if event["kind"] == "warning"]
    assert len(warnings) == 1
    assert "Insufficient nvidia.com/gpu" in warnings[0]


def test_a_run_that_succeeded_without_a_decision_that_can_be_read_is_not_called_done() -> None:
    run = recorded("done")
    run["logs"] = {}
    with (
        fake_pipelines(run) as fake,
        pytest.raises(StepFailedError, match="the gate's decision or the URL is in no log"),
    ):
        follow(_follower(fake, []), [])


def test_a_server_that_is_away_for_a_moment_is_waited_for() -> None:
    events: list[Event] = []
    with fake_pipelines(recorded("done")) as fake:
        follower = _follower(fake, events)
        fake.refuses["/apis/v2beta1/runs/r1"] = (503, "no healthy upstream")
        follower.show = lambda event: (events.append(event), fake.refuses.clear())[0]
        assert follow(follower, [])["state"] == "done"
    assert "answers 503" in events[0]["text"]


def test_a_server_that_stays_away_is_given_up() -> None:
    with fake_pipelines(recorded("done")) as fake:
        follower = _follower(fake, [])
        fake.refuses["/apis/v2beta1/runs/r1"] = (503, "")
        with pytest.raises(PipelinesError, match="answers 503"):
            follow(follower, [])
    with pytest.raises(ConfigError, match="does not answer"):  # its port is closed now
        follow(follower, [])


def test_a_token_that_expires_in_the_middle_ends_the_following_at_once() -> None:
    with fake_pipelines(recorded("done")) as fake:
        follower = RunFollower(
            connect(PipelinesLogin(host=fake.url, token="first"), CLOCK.retry_budget(START_RETRY_S)),
            "r1",
            [].append,
            CLOCK.timeouts.follow,
        )
        fake.token = "another"
        with pytest.raises(PipelinesError, match=r"wrong or has expired: renew FOREBAY_KFP_TOKEN"):
            follow(follower, [])
