"""What steps record, and that none outlives the run."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forebay.errors import ConfigError
from forebay.settings.environment import EVENTS_VARIABLE, SIGNING_KEY, SIGNING_PASSPHRASE, SUPERVISOR_VARIABLE
from forebay.state import Home, StepLog, step
from forebay.state.events import read_events

EVENTS = ["started", "finished"]


@pytest.fixture
def events(home: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = home.new_run().events
    monkeypatch.setenv(EVENTS_VARIABLE, str(path))
    return path


def test_a_step_records_start_facts_and_end(events: Path) -> None:
    with step("ingest") as log:
        log.progress(1, 2, "rows")
        log.progress(2, 2, "rows")
        log.result(rows=2)
    kinds = [event["kind"] for event in read_events(events)[0]]
    assert kinds == ["started", "progress", "progress", "result", "finished"]


def test_progress_calls_close_together_are_dropped_except_the_last(events: Path) -> None:
    with step("train") as log:
        for done in range(1001):
            log.progress(done, 1000, "steps")
    progress = [event["done"] for event in read_events(events)[0] if event["kind"] == "progress"]
    assert progress[-1] == 1000
    assert len(progress) < 10


def test_measures_are_asked_for_only_where_they_are_recorded(events: Path) -> None:
    asked = []

    def measures() -> dict[str, float]:
        asked.append(1)
        return {"loss": 0.123456789, "accuracy": math.nan, "seconds_left": math.inf}

    with step("train") as log:
        for done in range(1001):
            log.progress(done, 1000, "steps", measures)
    progress = [event for event in read_events(events)[0] if event["kind"] == "progress"]
    assert len(asked) == len(progress) < 10
    assert progress[-1]["measures"] == {"loss": 0.123457}


def test_a_step_of_hours_records_its_progress_every_few_seconds(events: Path) -> None:
    def recorded(age_s: float) -> int:
        log = StepLog(name="train", run_id="", home=Home.find(), events=events, began=time.monotonic() - age_s)
        log._recorded_at["progress"] = time.monotonic() - 5.0  # the last event
        before = len(read_events(events)[0])
        log.progress(1, 2, "steps")
        return len(read_events(events)[0]) - before

    assert (recorded(600), recorded(7200)) == (1, 0)


def test_epochs_close_together_are_dropped_except_the_last(events: Path) -> None:
    with step("train") as log:
        for epoch in range(1, 101):
            log.epoch(epoch, 100, {"train_loss": 1.0, "validation_loss": None}, is_last=epoch == 100)
    told = [event for event in read_events(events)[0] if event["kind"] == "epoch"]
    assert [told[0]["epoch"], told[-1]["epoch"]] == [1, 100]
    assert len(told) < 5
    assert told[-1]["measures"] == {"train_loss": 1.0}


def test_measures_that_are_no_numbers_are_no_event(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = '{"time": "", "step": "train", "kind": "progress", "done": 1, "total": 2, "unit": "steps", "measures": %s}\n'
    path.write_text(line % '{"loss": 1}' + line % '{"loss": "x"}' + line % "[]")
    assert [event["measures"] for event in read_events(path)[0]] == [{"loss": 1}]


def test_only_register_and_what_it_starts_see_where_the_signing_key_is(
    events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SIGNING_KEY, "/keys/key.pem")
    monkeypatch.setenv(SIGNING_PASSPHRASE, "secret")
    with step("register"):
        assert (os.environ[SIGNING_KEY], os.environ[SIGNING_PASSPHRASE]) == ("/keys/key.pem", "secret")
    with step("train"):
        assert {SIGNING_KEY, SIGNING_PASSPHRASE} & os.environ.keys() == set()


def test_a_permanent_failure_ends_kfp_retries_at_once_with_the_same_words(events: Path) -> None:
    with pytest.raises(ConfigError), step("train"):
        raise ConfigError("train.epochs must be at least 1, got 0")
    with pytest.raises(SystemExit, match=r"train\.epochs must be at least 1, got 0"), step("train"):
        pytest.fail("the body must not run again")


def test_an_unexpected_failure_may_be_tried_again(events: Path) -> None:
    with pytest.raises(OSError, match="disk"), step("train"):
        raise OSError("disk")
    with step("train"):
        pass
    failed = next(event for event in read_events(events)[0] if event["kind"] == "failed")
    assert (failed["error"], failed["permanent"]) == ("OSError: disk", False)


def test_a_line_still_being_written_is_left_for_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"time": "", "step": "train", "kind": "started"}\n{"time": "", "step": "train", "kind": "fin')
    first, offset = read_events(path)
    with path.open("a") as file:
        file.write('ished", "seconds": 1.0}\n')
    second, _ = read_events(path, offset)
    assert [event["kind"] for event in first + second] == EVENTS


def test_a_step_ends_when_its_supervisor_is_killed(home: Home) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    body = (
        "import sys\nfrom forebay.state import step\nwith step('train'):\n print('up', flush=True)\n sys.stdin.read()"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", body],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, SUPERVISOR_VARIABLE: str(supervisor.pid)},
    )
    assert worker.stdout
    while "up" not in worker.stdout.readline():
        pass
    supervisor.kill()
    supervisor.wait()
    assert worker.wait(timeout=60) == -signal.SIGTERM
    worker.communicate()


def test_an_address_in_an_error_is_recorded_without_its_password(events: Path) -> None:
    with pytest.raises(OSError, match="hunter2"), step("register"):
        raise OSError("API request to http://me:hunter2@host/api failed")
    assert "hunter2" not in events.read_text()
    assert "http://***@host/api" in events.read_text()


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    started, finished = (json.dumps({"time": "", "step": "a", "kind": kind, "seconds": 1}) for kind in EVENTS)
    path.write_text(f'{started}\n{{"kind": "prog{{"kind": "warning"}}\n{finished}\n[1]\n')
    assert [event["kind"] for event in read_events(path)[0]] == EVENTS


def test_events_on_a_full_disk_are_whole_or_missing(home: Home) -> None:
    events = home.new_run().events
    program = (
        "import resource, signal, sys, pathlib\n"
        "from forebay.state import Home, StepLog\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "log = StepLog(name='train', run_id='r', home=Home.find(), events=path)\n"
        "log.warn('first')\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, hard))\n"
        "try:\n    log.warn('does not fit')\nexcept OSError:\n    print('refused')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "log.warn('room again')\n"
    )  # a limit on file sizes tears a write just as a full disk does
    answer = subprocess.run([sys.executable, "-c", program, str(events)], capture_output=True, text=True, check=True)
    assert answer.stdout == "refused\n"
    assert [event["text"] for event in read_events(events)[0]] == ["first", "room again"]
