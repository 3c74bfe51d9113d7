"""`forebay tune` ended in the middle goes on, and its best settings run through the pipeline without new training."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forebay.backend.compiled_file import compiled_pipeline
from forebay.settings.environment import EVENTS_VARIABLE
from forebay.state import Home, write_json
from forebay.state.events import read_events
from support.forebay_command import Forebay, ForebayHere, cached_steps
from support.made_once import home_with

SPACE = "train.learning_rate: {low: 5e-4, high: 2e-2, log: true}\ntrain.label_smoothing: [0.0, 0.1]\n"
WORDS = (
    "tune", "--space", "space.yaml", "--trials", "3", "--minutes", "30", "--model", "mlp", "--json",
    "--set", "train.epochs=12", "--set", "train.checkpoint_s=1",
)  # fmt: skip


@dataclass
class Tuned:
    """What two interrupted searches and a third one left."""

    forebay: Forebay
    terminated: tuple[int, str, dict[str, Any]]  # exit code, standard error, standard output
    found: dict[str, Any]  # what the last one printed
    repeated: list[str]  # trials that the last one trained


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path, digits_prepared: Home) -> Iterator[Tuned]:
    forebay = Forebay(tmp_path_factory.mktemp("tuned"))
    home_with(mlflow_template, forebay.home, digits_prepared)
    (forebay.folder / "space.yaml").write_text(SPACE)
    process = forebay.start(*WORDS)
    _wait_for_step(process, forebay, "trial 0", 20)
    process.terminate()
    out, error = process.communicate()
    terminated = (process.returncode, error, json.loads(out))
    process = forebay.start(*WORDS)
    _wait_for_step(process, forebay, "trial 1", 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    found = json.loads(forebay(*WORDS).stdout)
    [events] = forebay.home.glob("tuning/*/events.jsonl")
    repeated = [event["step"] for event in read_events(events)[0] if event["kind"] == "started"]
    yield Tuned(forebay, terminated, found, repeated)
    ForebayHere(forebay.folder)("stop")


def _wait_for_step(process: subprocess.Popen[str], forebay: Forebay, trial: str, step: int) -> None:
    """Return once a trial reports a step of at least this number."""
    while process.poll() is None:
        for path in forebay.home.glob("tuning/*/events.jsonl"):
            for event in read_events(path)[0]:
                if event["step"] == trial and event["kind"] == "progress" and event["done"] >= step:
                    return
        time.sleep(0.01)  # between two looks at the file; the process's end is what bounds them
    raise AssertionError(f"the search ended with {process.returncode}: {process.communicate()}")


def test_a_terminated_search_says_what_is_kept_and_how_to_go_on(tuned: Tuned) -> None:
    code, error, printed = tuned.terminated
    assert code == 143
    assert "Ended by SIGTERM in trial 0, at " in error
    assert (
        "Kept: ingest and preprocess; the checkpoint of trial 0. The same `forebay tune` goes on from there." in error
    )
    assert printed["error"]["step"] == "trial 0"


def test_a_killed_search_goes_on_in_the_trial_where_it_was(tuned: Tuned) -> None:
    assert tuned.repeated == ["trial 1", "trial 2"]
    assert [trial["number"] for trial in tuned.found["tuning"]["trials"]] == [0, 1, 2]


def test_the_best_settings_run_through_the_pipeline_without_another_step_of_training(tuned: Tuned) -> None:
    found = tuned.found
    assert found["state"] == "done"
    assert {"ingest", "preprocess"} <= cached_steps(found)
    training = [event for event in tuned.forebay.events() if event["step"] == "train"]
    assert {event["kind"] for event in training} >= {"started", "finished"}
    assert [event for event in training if event["kind"] == "progress"] == []
    best = found["tuning"]["trials"][found["tuning"]["best"]]
    assert best["loss"] == min(trial["loss"] for trial in found["tuning"]["trials"] if trial["loss"] is not None)
    plan = json.loads((tuned.forebay.home / "runs" / found["run_id"] / "run.json").read_text())
    for key, value in best["settings"].items():
        assert plan["parameters"][key.replace(".", "_")] == value
    assert Path(found["tuning"]["plot"]).read_bytes().startswith(b"\x89PNG")


def test_the_compiled_file_of_a_cluster_runs_whole_here_with_the_same_cached_data(tuned: Tuned) -> None:
    home = Home(tuned.forebay.home)
    parameters = json.loads((home.runs / tuned.found["run_id"] / "run.json").read_text())["parameters"]
    parameters |= {"tune_trials": ["0", "1"], "tune_space": SPACE, "evaluate_min_accuracy": 1.0, "train_epochs": "2"}
    run = home.new_run()
    write_json(run.plan, {"pipeline": str(compiled_pipeline("tuning")), "parameters": parameters, "runner": "process"})
    environment = tuned.forebay.variables() | {EVENTS_VARIABLE: str(run.events)}
    command = [sys.executable, "-m", "forebay.local.runs.kfp_local", str(run.folder)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    events = read_events(run.events)[0]
    finished = {event["step"] for event in events if event["kind"] == "finished"}
    assert finished == {"trial 0", "trial 1", "choose", "evaluate"}, "ingest and preprocess come from the cache"
    [chosen] = [event["tuning"] for event in events if "tuning" in event]
    assert chosen["best"]["loss"] == min(trial["loss"] for trial in chosen["trials"])
