"""One submission: upload the pipeline, start a run, follow it, and sum it up as `forebay run` does."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.backend.summary import Event, StepFailedError, Summary, summarize
from forebay.cluster.runs.package import package, run_parameters
from forebay.cluster.runs.pipelines_client import PipelinesClient
from forebay.cluster.runs.run_follower import RunFollower
from forebay.contracts.evaluation import EVALUATION
from forebay.errors import ClusterError
from forebay.settings.keys import Scalar

# KFP's launcher shows its store to a step below these folders.
MOUNTS = {"/s3/": "s3://", "/gcs/": "gs://", "/minio/": "minio://"}


@dataclass(frozen=True, kw_only=True)
class RunSubmission:
    """What a run should be, and what it is called."""

    compiled: Path
    settings: dict[str, Scalar]  # by key, only those that differ from the defaults
    experiment: str
    run_name: str = ""  # empty for a name of pipeline, revision and time
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """A run that the cluster has accepted."""

    run_id: str
    url: str
    version: str  # the pipeline's version
    warnings: list[str] = field(default_factory=list)


def submit(client: PipelinesClient, wanted: RunSubmission, show: Callable[[Event], None]) -> StartedRun:
    """Upload the pipeline where this version is not there yet, and start a run of it.

    Raises:
        ConfigError: the cluster cannot use the file or a setting; nothing was uploaded.
        PipelinesError: the cluster refused.
    """
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        show({"step": "submit", "kind": "warning", "text": text})

    with package(wanted.compiled, fresh=wanted.fresh) as ready:
        parameters = run_parameters(wanted.settings, ready.parameters, warn)
        experiment = client.experiment_id(wanted.experiment)
        pipeline = client.upload(ready.path, ready.pipeline, ready.version)
    name = wanted.run_name or f"{ready.pipeline} {ready.version} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    run_id = client.create_run(experiment, name, pipeline, parameters)
    return StartedRun(run_id=run_id, url=client.run_url(run_id), version=ready.version, warnings=warnings)


def follow(follower: RunFollower, warnings: list[str]) -> Summary:
    """Follow a run to its end.

    Args:
        follower: follows the run.
        warnings: warnings from before the run began.

    Returns:
        What `forebay run` returns: `state` is done or refused.

    Raises:
        StepFailedError: a step failed.
        ClusterError: somebody ended the run, or it never reached a step.
    """
    start, run_id = time.monotonic(), follower.run_id
    ended = follower.follow()
    times = {"started": follower.run.get("created_at"), "seconds": _seconds(follower.run, start)}
    summary = summarize(run_id, follower.events) | times
    summary["warnings"] = [*warnings, *summary["warnings"]]
    summary["report"] = _store_uri(summary["report"])
    if ended == "SUCCEEDED":
        summary["gate"] = _gate(follower, summary["report"]) or summary["gate"]
    summary["state"] = _state(ended, summary)
    if was_terminated(follower.run):
        raise ClusterError(f"Run {run_id} was terminated before its end. Submit it again; done steps are cached.")
    if summary["state"] == "failed":
        if summary["error"] is None:
            summary["error"] = {"step": "run", "error": _failure_reason(follower.run)}
        raise StepFailedError(summary, _failed_pod_log(follower))
    summary["error"] = None  # a later try of the step succeeded
    return summary


def _failed_pod_log(follower: RunFollower) -> tuple[str, ...]:
    lines = follower.last_lines()
    return (f"The last lines of {follower.failed_pod}:", *(f"  {line}" for line in lines)) if lines else ()


def _gate(follower: RunFollower, report: str | None) -> dict[str, Any] | None:
    """The gate's decision from evaluate's artifact; None where it cannot be read, and only the log tells."""
    found = follower.client.artifact(f"{report.rpartition('/')[0]}/{EVALUATION}") if report else None
    try:
        gate = json.loads(found or b"")["gate"]
        return {"passed": bool(gate["passed"]), "reason": str(gate["reason"])}
    except (ValueError, KeyError, TypeError):
        return None


def was_terminated(run: dict[str, Any]) -> bool:
    """Whether somebody ended the run: its last state is FAILED (seen with 2.18), but an earlier state shows it."""
    states = {str(run.get("state")), *(str(each.get("state")) for each in run.get("state_history") or [])}
    return bool(states & {"CANCELING", "CANCELED"})


def _state(ended: str, summary: Summary) -> str:
    """done, refused or failed, from what the gate and deploy recorded: the state of the run does not show the gate."""
    gate = summary["gate"]
    if ended == "SUCCEEDED" and summary.get("predictions"):  # a batch has no gate
        return "done"
    if ended != "SUCCEEDED" or not gate or (gate["passed"] and not summary["url"]):
        return "failed"
    return "done" if gate["passed"] else "refused"


def _failure_reason(run: dict[str, Any]) -> str:
    error = run.get("error") or {}
    message = error.get("message") if isinstance(error, dict) else None
    if run.get("state") == "SUCCEEDED":
        return "the run succeeded, but the gate's decision or the URL is in no log that could be read; the UI shows it."
    return str(message or "it ended as failed and no step said why; the UI shows its nodes.")


def _store_uri(path: str | None) -> str | None:
    """The address in the store of a file that a step names by its path."""
    for folder, scheme in MOUNTS.items():
        if path and path.startswith(folder):
            return scheme + path.removeprefix(folder)
    return None


def _seconds(run: dict[str, Any], start: float) -> float:
    """How long the run itself took: somebody may have begun to follow it in the middle."""
    try:
        began, ended = (datetime.fromisoformat(str(run[key])) for key in ("created_at", "finished_at"))
    except (KeyError, ValueError):
        return round(time.monotonic() - start, 1)
    return round((ended - began).total_seconds(), 1)
