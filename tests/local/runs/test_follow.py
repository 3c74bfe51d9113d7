"""Following a run of another process: its events as they come, and how it ended."""

import json
import threading
from pathlib import Path

import pytest

from forebay.backend.summary import Event, StepFailedError, summarize
from forebay.local.backend import LocalBackend
from forebay.state import Home, StepLog, write_json


def test_a_run_of_another_process_is_followed_to_its_end(home: Home) -> None:
    run, seen, begun = home.new_run(), [], threading.Event()
    log = StepLog(name="ingest", run_id=run.run_id, home=home, events=run.events)
    log.emit("started")

    def show(event: Event) -> None:
        seen.append(event["kind"])
        begun.set()

    def act() -> None:
        with home.lock.held("a test"):
            ready.set()
            assert begun.wait(60)
            log.emit("finished", seconds=1.5)
            write_json(run.summary, summarize(run.run_id, _events(run.events)) | {"state": "refused", "seconds": 2.0})

    ready = threading.Event()
    other = threading.Thread(target=act)
    other.start()
    assert ready.wait(60)
    summary = LocalBackend(home=home).follow(run.run_id, show)
    other.join()
    assert seen == ["started", "finished"]
    assert (summary["state"], summary["seconds"]) == ("refused", 2.0)


def test_a_run_that_was_killed_ends_as_killed_and_one_that_failed_in_the_steps_words(home: Home) -> None:
    killed = home.new_run()
    StepLog(name="train", run_id=killed.run_id, home=home, events=killed.events).emit("started")
    assert LocalBackend(home=home).follow(killed.run_id, lambda event: None)["state"] == "killed"
    log = StepLog(name="train", run_id=killed.run_id, home=home, events=killed.events)
    log.emit("failed", error="no memory", seconds=1.0, permanent=True)
    write_json(killed.summary, summarize(killed.run_id, _events(killed.events)) | {"state": "failed", "seconds": 1.0})
    with pytest.raises(StepFailedError, match="train: no memory"):
        LocalBackend(home=home).follow(killed.run_id, lambda event: None)


def _events(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]
