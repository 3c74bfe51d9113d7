"""The error of a command that a signal ended: it tells from the steps' events what is kept and how to go on."""

from datetime import UTC, datetime
from pathlib import Path

from forebay.backend.summary import ENDED_BY, KILLED, STEPS, Event, Summary
from forebay.errors import EndedBySignalError, ExitCode
from forebay.signals import describe_cause
from forebay.state import Home


def interrupted_run(home: Home, summary: Summary, events: list[Event], status: ExitCode) -> EndedBySignalError:
    """The error of an interrupted pipeline run, which keeps the results of the steps that finished."""
    done = [each["name"] for each in summary["steps"] if each["name"] != _last_step(events)]
    done += [event["step"] for event in events if event["kind"] == "finished" and event["step"] not in done]
    kept = [f"{' and '.join(_listed(done))} (not done again)"] if done else []
    if _last_step(events) == "train":
        kept += _checkpoint(home, events)
    again = "`forebay run` with the same settings goes on from there." if kept else "`forebay run` begins again."
    return _error(events, kept, again, status, summary | {"state": "interrupted"})


def interrupted_steps(home: Home, summary: Summary, events: list[Event], status: ExitCode) -> EndedBySignalError:
    """The error of an interrupted command of one step or a few; `train` and `predict` keep something."""
    kept = _checkpoint(home, events) if _last_step(events) == "train" else []
    kept += ["what is predicted"] if _last_step(events) == "predict" else []
    again = "The same command goes on from it." if kept else "The same command begins again."
    return _error(events, kept, again, status, summary)


def killed_error(events: list[Event]) -> dict[str, str | None]:
    """The error of a run whose command ended without a word. What is kept of it may have gone since then."""
    step = _last_step(events)
    where = f"in {step}{how_far(events, step)}" if step else "between two steps" if events else "before the first step"
    words = (
        f"{KILLED}{where}: by kill -9, for want of memory, or with the machine. `forebay run` with the same settings "
        "goes on from what is done."
    )
    return {"step": step, "error": words}


def _error(events: list[Event], kept: list[str], again: str, status: ExitCode, summary: Summary) -> EndedBySignalError:
    step = _last_step(events)
    between = " between two steps" if events else " before the first step"
    where = f" in {step}{how_far(events, step)}" if step else between
    words = f"{ENDED_BY}{describe_cause(status)}{where}. Kept: {'; '.join(kept) or 'nothing'}. {again}"
    summary["error"] = {"step": step, "error": words}
    return EndedBySignalError(words, status, summary)


def _last_step(events: list[Event]) -> str | None:
    """The step that was in progress, else None: between two steps, or before the first one."""
    last = next((event for event in reversed(events) if event["kind"] in ("started", "finished", "failed")), None)
    return last["step"] if last and last["kind"] != "finished" else None


def how_far(events: list[Event], step: str) -> str:
    """How far a step was by its last event, for the end of a sentence; empty where it did not say."""
    for event in reversed(events):
        if event["step"] == step and event["kind"] == "progress":
            return f", at {event['done']:,} of {event['total']:,} {event['unit']}"
    return ""


def _checkpoint(home: Home, events: list[Event]) -> list[str]:
    """The checkpoint that this training wrote last, where it wrote one."""
    began = next(event["time"] for event in reversed(events) if (event["step"], event["kind"]) == ("train", "started"))
    written = [(_modified(path), path) for path in home.checkpoints.glob("*/step-*")]
    modified, newest = max(written, default=("", Path()))
    if modified < began:
        return []
    return [f"the training's checkpoint of step {int(newest.name.split('.')[0].removeprefix('step-')):,}"]


def _modified(path: Path) -> str:
    """As events have it: ISO 8601, UTC; empty for one that has just been removed for a newer one."""
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    except FileNotFoundError:
        return ""


def _listed(names: list[str]) -> list[str]:
    ordered = sorted(names, key=STEPS.index)
    return [", ".join(ordered[:-1]), ordered[-1]] if len(ordered) > 1 else ordered
