"""The end of a run: its state, its report and its summary, which is written into its folder."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forebay.backend.summary import Event, StepFailedError, Summary, summarize, unfinished_step
from forebay.errors import EndedBySignalError, ForebayError
from forebay.local.runs.cache import drop_damaged_entries
from forebay.local.runs.engine_process import read_last_lines
from forebay.local.runs.interruption import interrupted_run
from forebay.local.server.champions import champion_url
from forebay.local.server.launch import ServerOptions
from forebay.signals import interrupt_status, signal_guard
from forebay.state import Home, RunFolder, write_bytes, write_json
from forebay.state.events import read_events
from forebay.state.mask import without_passwords


def conclude_run(
    home: Home,
    run: RunFolder,
    server_options: ServerOptions,
    exit_code: int,
    seconds: float,
    show: Callable[[Event], None],
) -> Summary:
    """Write the summary of a run that has ended, and return it.

    Raises:
        StepFailedError: a step failed.
    """
    events, _ = read_events(run.events)
    summary = _summary(run, events, seconds)
    summary["state"] = _state(exit_code, summary)
    summary["report"] = _keep_report(run, summary["report"])
    if summary["state"] == "failed" and not summary["error"]:
        summary["error"] = _unexplained(run, events)
    write_json(run.summary, summary)
    if summary["state"] == "refused":
        summary["url"] = _champion_url(home, summary["model"]["name"], server_options, show)
        write_json(run.summary, summary)
    if summary["state"] == "failed":
        drop_damaged_entries(home.cache, events)
        raise StepFailedError(summary)
    return summary


def conclude_cut_run(home: Home, run: RunFolder, error: BaseException, seconds: float) -> EndedBySignalError | None:
    """Write the summary of a run that did not come to its end: a signal ended it, or this command failed itself.

    Returns:
        The error that says what is kept, where a signal ended the run; None where `error` says it all.
    """
    events, _ = read_events(run.events)
    summary = _summary(run, events, seconds) | {"progress": None}
    ended = None
    if isinstance(error, KeyboardInterrupt):
        ended = interrupted_run(home, summary, events, interrupt_status(error))
        summary = ended.summary or summary
    else:
        words = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
        summary |= {"state": "failed", "error": {"step": unfinished_step(events), "error": without_passwords(words)}}
    with signal_guard() as guard, guard.deferred(), contextlib.suppress(OSError):  # a full disk is told already
        summary["report"] = _keep_report(run, summary["report"])
        write_json(run.summary, summary)
    return ended


def _summary(run: RunFolder, events: list[Event], seconds: float) -> Summary:
    started = run.started.isoformat() if run.started else None
    return summarize(run.run_id, events) | {"started": started, "seconds": round(seconds, 1)}


def _champion_url(home: Home, name: str, server_options: ServerOptions, show: Callable[[Event], None]) -> str | None:
    """The URL of the champion. Where it cannot be served, that is a warning, because the gate's "no" is the result."""
    try:
        return champion_url(home, name, server_options)
    except ForebayError as error:
        show({"kind": "warning", "step": "deploy", "text": f"The champion does not answer: {error}"})
        return None


def _state(exit_code: int, summary: dict[str, Any]) -> str:
    """`done`, `refused` or `failed`; the engine's exit code 0 counts only with the facts that its steps recorded."""
    gate = summary["gate"]
    if exit_code or not gate or (gate["passed"] and not summary["url"]):
        return "failed"
    return "done" if gate["passed"] else "refused"


def _keep_report(run: RunFolder, report: str | None) -> str | None:
    """Copy the report beside the summary, where it outlives pruned artifacts."""
    if report is None or not Path(report).is_file():
        return None
    write_bytes(run.report, Path(report).read_bytes())
    return str(run.report)


def _unexplained(run: RunFolder, events: list[Event]) -> dict[str, str]:
    step = unfinished_step(events)
    if step:
        problem = "the step was killed before it could say why (out of memory is the commonest reason)"
    else:
        step, problem = "engine", "; ".join(read_last_lines(run.engine_log, 3)) or "the engine ended without a word"
    return {
        "step": step,
        "error": f"{problem}. `forebay logs {step}` shows its output; `forebay run` again goes on from what is done.",
    }
