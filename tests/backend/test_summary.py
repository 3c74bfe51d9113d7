"""A run's summary is read from its events."""

from datetime import UTC, datetime

from forebay.backend.summary import STEPS, failure, summarize, unfinished_step


def _event(step: str, kind: str, **facts: object) -> dict[str, object]:
    return {"time": "2026-11-21T09:00:00+00:00", "step": step, "kind": kind, **facts}


def test_a_step_without_events_before_one_that_ran_was_cached() -> None:
    events = [_event("evaluate", "started"), _event("evaluate", "finished", seconds=2.5)]
    assert summarize("r", events)["steps"] == [
        {"name": "ingest", "seconds": 0.0, "cached": True, "running": False},
        {"name": "preprocess", "seconds": 0.0, "cached": True, "running": False},
        {"name": "train", "seconds": 0.0, "cached": True, "running": False},
        {"name": "evaluate", "seconds": 2.5, "cached": False, "running": False},
    ]


def test_the_last_recorded_fact_wins() -> None:
    events = [
        _event("evaluate", "result", model={"name": "digits", "version": None}, accuracy={"value": 0.9}),
        _event("register", "result", model={"name": "digits", "version": "3"}),
    ]
    summary = summarize("r", events)
    assert summary["model"]["version"] == "3"
    assert summary["accuracy"] == {"value": 0.9}
    assert summary["url"] is None


def test_a_failure_that_a_retry_mended_is_no_failure() -> None:
    failed = _event("train", "failed", seconds=1.0, error="OSError: disk", permanent=False)
    assert failure([failed]) == {"step": "train", "error": "OSError: disk"}
    assert failure([failed, _event("train", "finished", seconds=1.0)]) is None


def test_a_step_that_never_said_how_it_ended_is_named() -> None:
    events = [_event("ingest", "started"), _event("ingest", "finished", seconds=1.0), _event("train", "started")]
    assert unfinished_step(events) == "train"
    assert unfinished_step(events[:2]) is None


def test_the_time_of_a_step_in_progress_runs_and_that_of_a_killed_one_ends_with_its_last_event() -> None:
    last = {**_event("train", "progress", done=1, total=2, unit="steps"), "time": "2026-11-21T09:00:07+00:00"}
    events = [_event("train", "failed", seconds=9.0, error="x", permanent=False), _event("train", "started"), last]
    now = datetime(2026, 11, 21, 9, 1, tzinfo=UTC)
    going_on, killed = summarize("r", events, now), summarize("r", events)
    assert going_on["steps"][-1] == {"name": "train", "seconds": 60.0, "cached": False, "running": True}
    assert going_on["progress"]["seconds"] == 60.0
    assert killed["steps"][-1] == {"name": "train", "seconds": 7.0, "cached": False, "running": False}


def test_a_clock_that_is_behind_and_a_damaged_time_give_no_seconds_and_no_traceback() -> None:
    before = datetime(2026, 11, 21, 8, 59, tzinfo=UTC)
    assert summarize("r", [_event("train", "started")], before)["steps"][-1]["seconds"] == 0.0
    damaged = {**_event("train", "started"), "time": "2026-1?-21"}
    assert summarize("r", [damaged], before)["steps"][-1]["seconds"] == 0.0


def test_the_progress_is_that_of_the_step_that_still_runs_and_of_its_last_try() -> None:
    told = [
        _event("train", "started"),
        _event("train", "progress", done=50, total=60, unit="steps", measures={"loss": 0.5}),
        _event("train", "epoch", epoch=1, epochs=2, measures={"train_loss": 0.6}),
    ]
    progress = summarize("r", told)["progress"]
    assert (progress["step"], progress["done"], progress["measures"]) == ("train", 50, {"loss": 0.5})
    assert progress["last_epoch"]["measures"] == {"train_loss": 0.6}
    again = [*told, _event("train", "failed", seconds=1.0, error="x", permanent=False), _event("train", "started")]
    assert summarize("r", again)["progress"] is None
    assert summarize("r", [*told, _event("train", "finished", seconds=1.0)])["progress"] is None


def test_no_events_give_an_empty_summary() -> None:
    assert summarize("r", [])["steps"] == []
    assert STEPS == ("ingest", "preprocess", "train", "evaluate", "register", "deploy")
