"""From events to the object that people and `--json` see: pure functions."""

from datetime import datetime
from typing import Any

from forebay.errors import ForebayError

STEPS = ("ingest", "preprocess", "train", "evaluate", "register", "deploy")

ENDED_BY, KILLED = "Ended by ", "Killed "  # how the error of a run begins that its user, or the machine, ended

Event = dict[str, Any]
Summary = dict[str, Any]


class StepFailedError(ForebayError):
    """A step failed; the message is the step's own."""

    def __init__(self, summary: Summary, log: tuple[str, ...] = ()) -> None:
        super().__init__(f"{summary['error']['step']}: {summary['error']['error']}")
        self.summary = summary
        self.log = log  # the end of the step's own output, where it is not on this machine


def summarize(run_id: str, events: list[Event], now: datetime | None = None) -> Summary:
    """Build a run's summary from what its steps recorded.

    Args:
        run_id: the run.
        events: what its steps recorded.
        now: the time, for a run that goes on: the time of its step in progress runs. None for a run that has ended: a
            step that never said how it ended has the time up to the last event.

    Returns:
        `run_id`, `data`, `steps`, `accuracy`, `ensemble`, `gate`, `model`, `url`, `report`, `warnings`, `error`,
        `overfitting` and `progress`; a value that no step recorded is None (or an empty list). A batch adds
        `predictions`.
    """
    facts = _facts(events)
    return {
        "run_id": run_id,
        "data": facts.get("data"),
        "steps": _steps(events, now),
        "accuracy": facts.get("accuracy"),
        "ensemble": facts.get("ensemble"),
        "gate": facts.get("gate"),
        "model": facts.get("model"),
        "url": facts.get("url"),
        "report": facts.get("report"),
        "warnings": list(dict.fromkeys(event["text"] for event in events if event["kind"] == "warning")),
        "error": failure(events),
        "overfitting": facts.get("overfitting"),
        "progress": current_progress(events, now),
        **({"predictions": facts["predictions"]} if "predictions" in facts else {}),
    }


def failure(events: list[Event]) -> dict[str, str] | None:
    """The step that failed and its own words, or None when none did (a later try that succeeds counts)."""
    failed: dict[str, str] = {}
    for event in events:
        if event["kind"] == "failed":
            failed[event["step"]] = event["error"]
        elif event["kind"] == "finished":
            failed.pop(event["step"], None)
    return next(({"step": step, "error": error} for step, error in failed.items()), None)


def unfinished_step(events: list[Event]) -> str | None:
    """The step that began and never said how it ended: killed, or out of memory."""
    running: str | None = None
    for event in events:
        if event["kind"] == "started":
            running = event["step"]
        elif event["kind"] in ("finished", "failed"):
            running = None
    return running


def current_progress(events: list[Event], now: datetime | None = None) -> dict[str, Any] | None:
    """How far the step is that began and did not end; None between steps, and where it has not said so yet.

    Returns:
        `step`, `time`, `done`, `total`, `unit`, `measures`, `last_epoch`, a training's newest `epoch` event, and
        `seconds`, for how long the step has been at work (see `summarize`); None where that is not known.
    """
    step = unfinished_step(events)
    if step is None:
        return None
    own = [event for event in events if event["step"] == step]
    began = max(index for index, event in enumerate(own) if event["kind"] == "started")  # an earlier try told as well
    last = {event["kind"]: event for event in own[began:] if event["kind"] in ("progress", "epoch")}
    if "progress" not in last:
        return None
    facts = {key: value for key, value in last["progress"].items() if key != "kind"}
    return {"measures": {}, **facts, "last_epoch": last.get("epoch"), "seconds": _seconds_so_far(events, step, now)}


def _facts(events: list[Event]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for event in events:
        if event["kind"] == "result":
            facts |= {key: value for key, value in event.items() if key not in ("time", "step", "kind")}
    return facts


def _steps(events: list[Event], now: datetime | None) -> list[dict[str, Any]]:
    """Every step up to the last one that ran; one without events before it was a cache hit."""
    seconds = {event["step"]: event["seconds"] for event in events if event["kind"] in ("finished", "failed")}
    unfinished = unfinished_step(events)
    if unfinished:
        seconds[unfinished] = _seconds_so_far(events, unfinished, now) or 0.0
    ran = {event["step"] for event in events}
    last = max((STEPS.index(name) for name in ran if name in STEPS), default=-1)
    return [
        {
            "name": name,
            "seconds": seconds.get(name, 0.0),
            "cached": name not in ran,
            "running": now is not None and name == unfinished,
        }
        for name in STEPS[: last + 1]
    ]


def _seconds_so_far(events: list[Event], step: str, now: datetime | None) -> float | None:
    """The time since the newest try of a step began; up to the last event where the run has ended."""
    began = [event for event in events if (event["step"], event["kind"]) == (step, "started")]
    return seconds_between(event_time(began[-1]), now or event_time(events[-1]))


def event_time(event: Event) -> datetime | None:
    """When an event was recorded; None where a damaged line holds no time."""
    try:
        time = datetime.fromisoformat(event["time"])
    except ValueError:
        return None
    return time if time.tzinfo else None


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """The time from one moment to another, at least 0, for clocks differ; None where one of them is not known."""
    return None if start is None or end is None else round(max(0.0, (end - start).total_seconds()), 1)
