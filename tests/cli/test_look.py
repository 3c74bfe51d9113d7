"""What the looking commands answer."""

import json

import pytest
from click.testing import CliRunner

from forebay.cli.main import group
from forebay.state import Home, StepLog, write_json


@pytest.mark.usefixtures("home")
def test_the_status_of_a_new_home_has_every_key_of_a_run() -> None:
    found = json.loads(CliRunner().invoke(group, ["status", "--json"]).stdout)
    assert found == {
        "run_id": None, "data": None, "steps": [], "accuracy": None, "ensemble": None, "gate": None, "model": None,
        "url": None, "report": None, "warnings": [], "error": None, "state": None, "seconds": None, "server": None,
        "restarts": None, "problems": [], "progress": None, "overfitting": None,
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
    assert "train       800/3,200 steps, epoch 3/16, loss 0.532, 1:23 left" in lines
    assert "            epoch 2/16: train loss 0.610, acc 78.9%; validation loss 0.700" in lines
    assert "train: 800/3,200 steps, epoch 3/16, loss 0.532, 1:23 left" in listed
    assert found["progress"]["measures"] == {"epoch": 3, "epochs": 16, "loss": 0.532, "seconds_left": 83.0}
    assert "unfinished" in CliRunner().invoke(group, ["runs"]).stdout
