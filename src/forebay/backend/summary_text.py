"""A run's summary as the lines that a person reads: pure functions."""

from typing import Any

from forebay.backend.progress_text import epoch_text, progress_text
from forebay.backend.summary import ENDED_BY, KILLED


def summary_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of the table: what a person wants to know of a run, as text."""
    rows = []
    if summary["run_id"]:  # a step called by itself belongs to no run
        rows.append(("run", f"{summary['run_id']}  {summary.get('state', 'running')}"))
    if summary["data"]:
        rows.append(("data", _data_text(summary["data"])))
    progress = summary.get("progress") or {}
    for step in summary["steps"]:
        rows += progress_rows(progress) if step["name"] == progress.get("step") else [_step_row(step)]
    rows += _accuracy_rows(summary)
    if summary["gate"]:
        verdict = "passed" if summary["gate"]["passed"] else "refused"
        rows.append(("gate", f"{verdict}: {summary['gate']['reason']}"))
    if summary["model"]:
        version = summary["model"].get("version")
        rows.append(("model", f"{summary['model']['name']} version {version}" if version else "not registered"))
    if summary.get("predictions"):
        rows += _prediction_rows(summary["predictions"])
    rows += [(name, str(summary[name])) for name in ("url", "report") if summary.get(name)]
    if summary["error"]:
        rows.append(("error", _error_text(summary["error"])))
    return rows


def _prediction_rows(predictions: dict[str, Any]) -> list[tuple[str, str]]:
    quarantined = ", ".join(f"{rows} {reason}" for reason, rows in predictions["quarantined"].items()) or "none"
    return [("rows", f"{predictions['rows']:,} predicted, quarantined: {quarantined}"), ("out", predictions["out"])]


def running_text(summary: dict[str, Any]) -> str:
    """The step in progress in one line, with the time that it has taken so far; empty where none is."""
    step = next((step for step in summary["steps"] if step.get("running")), None)
    progress = summary.get("progress") or {}
    if step is None:
        return ""
    name, text = _step_row(step) if step["name"] != progress.get("step") else progress_rows(progress)[0]
    return f"{name}: {text}"


def _error_text(error: dict[str, Any]) -> str:
    """The error with its step, where the words do not name it themselves; between two steps there is none."""
    step, words = error["step"], str(error["error"])
    return words if step is None or words.startswith((ENDED_BY, KILLED)) else f"{step}: {words}"


def _step_row(step: dict[str, Any]) -> tuple[str, str]:
    so_far = " so far" if step.get("running") else ""  # a summary of an earlier Forebay does not say
    return step["name"], "cached" if step["cached"] else f"{step['seconds']:.1f} s{so_far}"


def progress_rows(progress: dict[str, Any]) -> list[tuple[str, str]]:
    """How far a step is, and the last epoch of a training below it."""
    so_far = "" if progress["seconds"] is None else f"{progress['seconds']:.1f} s so far, "
    rows = [(progress["step"], so_far + progress_text(progress))]
    return [*rows, ("", epoch_text(progress["last_epoch"]))] if progress["last_epoch"] else rows


def _accuracy_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if summary["accuracy"]:
        value = summary["accuracy"]
        interval = f"{value['low']:.2%} to {value['high']:.2%}"
        rows.append(("accuracy", f"{value['value']:.2%}  ({interval}, {value['rows']:,} held-out rows)"))
    if summary.get("ensemble"):  # a summary of an earlier Forebay has none
        rows.append(("ensemble", _ensemble_text(summary["ensemble"])))
    if summary.get("overfitting"):
        rows.append(("warning", str(summary["overfitting"])))
    return rows


def _data_text(data: dict[str, Any]) -> str:
    quarantined = ", ".join(f"{rows} {reason}" for reason, rows in data["quarantined"].items()) or "none"
    return f"{data['rows']:,} rows, {data['classes']} classes, quarantined: {quarantined}"


def _ensemble_text(ensemble: dict[str, Any]) -> str:
    interval = f"{100 * ensemble['low']:+.2f} to {100 * ensemble['high']:+.2f}"
    return (
        f"{ensemble['members']} members, {100 * ensemble['gain']:+.2f} % ({interval}) against the best of them, "
        f"{ensemble['best']} with {ensemble['best_accuracy']:.2%}"
    )
