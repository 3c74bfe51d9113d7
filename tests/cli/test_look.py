"""What the looking commands answer."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from forebay.backend.summary import summarize
from forebay.cli.main import group
from forebay.state import Home, RunFolder, StepLog, write_json
from forebay.state.events import append_event


@pytest.mark.usefixtures("home")
def test_the_status_of_a_new_home_has_every_key_of_a_run() -> None:
    found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert found == {
        "run_id": None, "data": None, "steps": [], "accuracy": None, "ensemble": None, "gate": None, "model": None,
        "url": None, "report": None, "warnings": [], "error": None, "state": None, "started": None, "seconds": None,
        "server": None, "restarts": None, "problems": [], "progress": None, "overfitting": None,
    }  # fmt: skip


def test_the_status_of_a_run_has_the_same_keys(home: Home) -> None:
    empty = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    run = home.new_run()
    write_json(run.plan, {})
    found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert found.keys() == empty.keys()
    assert found["run_id"] == run.run_id


def test_status_and_runs_show_how_far_a_running_training_is(home: Home) -> None:
    run = home.new_run()
    log = StepLog(name="train", run_id=run.run_id, home=home, events=run.events)
    log.emit("started")
    log.epoch(2, 16, {"train_loss": 0.61, "train_accuracy": 0.789, "validation_loss": 0.7}, is_last=False)
    log.progress(800, 3200, "steps", lambda: {"epoch": 3, "epochs": 16, "loss": 0.532, "seconds_left": 83.0})
    with home.lock.held("a run"):
        lines = CliRunner().invoke(group, ["status"]).stdout.splitlines()
        listed = CliRunner().invoke(group, ["runs"]).stdout
        found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert lines[0].split() == ["run", run.run_id, "running"]
    assert re.fullmatch(r"train       \d\.\d s so far, 800/3,200 steps, epoch 3/16, loss 0.532, 1:23 left", lines[3])
    assert "            epoch 2/16: train loss 0.610, acc 78.9%; validation loss 0.700" in lines
    assert re.search(r"train: \d\.\d s so far, 800/3,200 steps, epoch 3/16, loss 0.532, 1:23 left\n", listed)
    assert found["progress"]["measures"] == {"epoch": 3, "epochs": 16, "loss": 0.532, "seconds_left": 83.0}


def begun(home: Home, *kinds: str, seconds_ago: float = 0.0, **facts: Any) -> RunFolder:
    """A run whose train step recorded these events, the first of them some time ago."""
    run = RunFolder(home.runs / f"{datetime.now(UTC) - timedelta(seconds=seconds_ago + 5):%Y%m%d-%H%M%S-%f}")
    run.folder.mkdir(parents=True)
    write_json(run.plan, {"pid": os.getpid(), **facts})
    times = [datetime.now(UTC) - timedelta(seconds=seconds_ago), *[datetime.now(UTC)] * len(kinds)]
    progress = {"done": 34, "total": 1200, "unit": "steps"}
    for time, kind in zip(times, kinds, strict=False):
        own = progress if kind == "progress" else {}
        append_event(run.events, {"time": time.isoformat(), "step": "train", "kind": kind, **own})
    return run


def newest(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CliRunner().invoke(group, [*words, "--json"]).stdout)
    return found["runs"][0] if words == ("runs",) else found


@pytest.mark.parametrize("command", ["runs", "status"])
def test_the_seconds_of_a_step_in_progress_run_although_it_says_nothing(home: Home, command: str) -> None:
    begun(home, "started", seconds_ago=60)
    with home.lock.held("`forebay run`"):
        found = newest(command)
        shown = CliRunner().invoke(group, [command]).stdout
    step = found["steps"][-1]
    assert (found["state"], step["name"], step["running"]) == ("running", "train", True)
    assert 60 <= step["seconds"] < 600
    assert found["seconds"] >= step["seconds"] + 5
    assert "s so far" in shown


def test_a_run_whose_command_ended_without_a_word_was_killed_and_its_time_stands_still(home: Home) -> None:
    run = begun(home, "started", "progress", seconds_ago=60)
    found = newest("runs")
    assert found["state"] == "killed"
    assert found["started"] == run.started.isoformat() if run.started else False
    assert found["progress"] is None
    assert [step["running"] for step in found["steps"]] == [False] * 3
    assert 65 <= found["seconds"] < 600
    assert found["error"]["error"].startswith("Killed in train, at 34 of 1,200 steps: by kill -9, ")
    table = CliRunner().invoke(group, ["status"]).stdout
    assert f"run         {run.run_id}  killed\n" in table
    assert "error       Killed in train, at 34" in table


def test_a_killed_run_stays_one_while_another_command_holds_the_lock(home: Home) -> None:
    run = begun(home, "started")
    write_json(run.plan, {"pid": os.getpid() + 1})
    with home.lock.held("`forebay prune`"):
        assert newest("runs")["state"] == "killed"


def test_only_the_newest_run_can_be_running(home: Home) -> None:
    begun(home, "started", seconds_ago=60)
    begun(home)
    with home.lock.held("`forebay run`"):
        runs = json.loads(CliRunner().invoke(group, ["runs", "--json"]).stdout)["runs"]
    assert [run["state"] for run in runs] == ["running", "killed"]


def test_a_line_of_a_run_says_how_it_ended_when_it_began_and_how_long_it_took(home: Home) -> None:
    run = home.new_run()
    write_json(run.summary, summarize(run.run_id, []) | {"state": "interrupted", "seconds": 3723.4})
    began = f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else ""
    words = CliRunner().invoke(group, ["runs"]).stdout.split()
    assert words == [run.run_id, "interrupted", *began.split(), "1:02:03", "-", "-"]
