"""From events to the object that people and `--json` see: pure functions."""

from typing import Any

from forebay.errors import ForebayError

STEPS = ("ingest", "preprocess", "train", "evaluate", "register", "deploy")

Event = dict[str, Any]
Summary = dict[str, Any]


class StepFailedError(ForebayError):
    """A step failed; the message is the step's own."""

    def __init__(self, summary: Summary, log: tuple[str, ...] = ()) -> None:
        super().__init__(f"{summary['error']['step']}: {summary['error']['error']}")
        self.summary = summary
        self.log = log  # the end of the step's own output, where it is not on this machine


def summarize(run_id: str, events: list[Event]) -> Summary:
    """Build a run's summary from what its steps recorded.

    Returns:
        `run_id`, `data`, `steps`, `accuracy`, `ensemble`, `gate`, `model`, `url`, `report`, `warnings`, `error`,
        `overfitting` and `progress`; a value that no step recorded is None (or an empty list).
    """
    facts = _facts(events)
    return {
        "run_id": run_id,
        "data": facts.get("data"),
        "steps": _steps(events),
        "accuracy": facts.get("accuracy"),
        "ensemble": facts.get("ensemble"),
        "gate": facts.get("gate"),
        "model": facts.get("model"),
        "url": facts.get("url"),
        "report": facts.get("report"),
        "warnings": list(dict.fromkeys(event["text"] for event in events if event["kind"] == "warning")),
        "error": failure(events),
        "overfitting": facts.get("overfitting"),
        "progress": current_progress(events),
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


def current_progress(events: list[Event]) -> dict[str, Any] | None:
    """How far the step is that began and did not end; None between steps, and where it has not said so yet.

    Returns:
        `step`, `time`, `done`, `total`, `unit`, `measures`, and `last_epoch`, a training's newest `epoch` event.
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
    return {"measures": {}, **facts, "last_epoch": last.get("epoch")}


def _facts(events: list[Event]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for event in events:
        if event["kind"] == "result":
            facts |= {key: value for key, value in event.items() if key not in ("time", "step", "kind")}
    return facts


def _steps(events: list[Event]) -> list[dict[str, Any]]:
    """Every step up to the last one that ran; one without events before it was a cache hit."""
    seconds = {event["step"]: event["seconds"] for event in events if event["kind"] in ("finished", "failed")}
    ran = {event["step"] for event in events}
    last = max((STEPS.index(name) for name in ran if name in STEPS), default=-1)
    return [{"name": name, "seconds": seconds.get(name, 0.0), "cached": name not in ran} for name in STEPS[: last + 1]]
