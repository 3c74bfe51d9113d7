"""One pipeline run from the command line's side: plan, start, watch, serve, summarize."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.backend.compiled_file import compiled_pipeline
from forebay.backend.protocol import RunRequest
from forebay.backend.summary import Event, StepFailedError, Summary, summarize, unfinished_step
from forebay.errors import DamagedFileError, ForebayError, MachineError
from forebay.ingest.fingerprint import absolute_labels, source_fingerprint
from forebay.local.runs.cache import clear_cache, drop_damaged_entries
from forebay.local.runs.engine_process import POLL_S, EngineProcess, read_last_lines
from forebay.local.runs.interruption import interrupted_run
from forebay.local.server.champions import champion_url
from forebay.local.server.handle_requests import handle_request
from forebay.local.server.launch import ServerOptions
from forebay.settings import IngestConfig, parameter_name
from forebay.settings.ingest import DIGITS
from forebay.settings.keys import Scalar
from forebay.signals import interrupt_status
from forebay.state import Home, RunFolder, write_bytes, write_json
from forebay.state.events import read_events
from forebay.state.home import read_plan
from forebay.state.runners import Runner
from forebay.version import code_version

ENDING = "Ending the step; training writes its checkpoint first. A second Ctrl-C does not wait for it."


def run_pipeline(home: Home, request: RunRequest, address: ServerOptions, show: Callable[[Event], None]) -> Summary:
    """Run the compiled pipeline and return its summary, which is also written into the run's folder.

    Args:
        home: the state folder, open.
        request: what the run is asked to do.
        address: of the server, and what runs server and steps.
        show: called with every event as it arrives.

    Raises:
        LockHeldError: another run holds the state folder.
        StepFailedError: a step failed.
        EndedBySignalError: Ctrl-C, or a signal that ends like it.
    """
    ours = f"`forebay run` started {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def say(holder: str) -> None:
        show({"kind": "waiting", "text": f"Waiting until {home.root} is free: held by {holder}."})

    with home.lock.held(ours, wait=request.wait, waiting=say):
        if request.fresh:
            clear_cache(home.cache)
        _end_leftover_containers(home, address.runner)
        parameters = _parameters(request.settings)  # only now: while we waited for the lock the data may have changed
        run = home.new_run()
        write_json(run.plan, _plan(request, parameters, address.runner))
        start = time.monotonic()
        try:
            exit_code = _watch(home, run, request, address, show)
        except KeyboardInterrupt as error:
            events, _ = read_events(run.events)
            raise interrupted_run(home, summarize(run.run_id, events), events, interrupt_status(error)) from error
        return _conclude(home, run, address, exit_code, time.monotonic() - start, show)


def _plan(request: RunRequest, parameters: dict[str, Scalar], runner: Runner) -> dict[str, Any]:
    sources = (str(parameters["ingest_data"]), str(parameters["ingest_labels"]))
    return {
        "pipeline": str(compiled_pipeline()),
        "parameters": parameters,
        "runner": runner,
        "sources": [path for path in sources if Path(path).is_absolute()],
        "fresh": request.fresh,
        "pid": os.getpid(),
    }


def _end_leftover_containers(home: Home, runner: Runner) -> None:
    """A container outlives whoever started it; one that still trains would hold the checkpoints of the next run."""
    from forebay.local.containers.steps import end_leftovers

    if runner == "docker":
        end_leftovers(home)
        return
    last = next(iter(home.list_runs()), None)
    killed = last is not None and last.plan.is_file() and not last.summary.is_file()
    if last is not None and killed and _may_have_containers(last):
        with contextlib.suppress(MachineError):  # a run of processes needs no engine, and none that is gone
            end_leftovers(home)


def _may_have_containers(run: RunFolder) -> bool:
    try:
        return read_plan(run).get("runner") == "docker"
    except DamagedFileError:
        return True


def _parameters(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    given = {parameter_name(key): value for key, value in settings.items()}
    data = _absolute(str(given.get("ingest_data", IngestConfig.data)))
    labels = absolute_labels(data, str(given.get("ingest_labels", IngestConfig.labels)))
    fingerprint = source_fingerprint(data, labels)
    ingest = {"ingest_data": data, "ingest_labels": labels, "ingest_fingerprint": fingerprint}
    return {**given, **ingest, "code_version": code_version()}


def _absolute(data: str) -> str:
    """A local path in full: steps and later readers of the lineage need not know this folder."""
    return data if data == DIGITS or "://" in data else str(Path(data).expanduser().absolute())


def _watch(
    home: Home, run: RunFolder, request: RunRequest, address: ServerOptions, show: Callable[[Event], None]
) -> int:
    with EngineProcess(home, run, fresh=request.fresh) as engine:
        try:
            return follow_events(run, show, engine.exit_code, lambda: handle_request(home, run, address))
        except KeyboardInterrupt:
            show({"kind": "waiting", "text": ENDING})
            raise


def follow_events(
    run: RunFolder, show: Callable[[Event], None], ended: Callable[[], int | None], between: Callable[[], object] = bool
) -> int:
    """Show the events of a run as they come, until it has ended.

    Args:
        run: the run, whichever process it belongs to.
        show: called with every event.
        ended: the run's exit code, or None while it goes on.
        between: called between two looks.

    Returns:
        The exit code.
    """
    offset = 0
    while True:
        exit_code = ended()  # before the events, so that none written before the end is missed
        events, offset = read_events(run.events, offset)
        for event in events:
            show(event)
        if exit_code is not None:
            return exit_code
        between()
        time.sleep(POLL_S)


def _conclude(
    home: Home, run: RunFolder, address: ServerOptions, exit_code: int, seconds: float, show: Callable[[Event], None]
) -> Summary:
    events, _ = read_events(run.events)
    summary = summarize(run.run_id, events) | {"seconds": round(seconds, 1)}
    summary["state"] = _state(exit_code, summary)
    summary["report"] = _keep_report(run, summary["report"])
    if summary["state"] == "failed" and not summary["error"]:
        summary["error"] = _unexplained(run, events)
    write_json(run.summary, summary)
    if summary["state"] == "refused":
        summary["url"] = _champion_url(home, summary["model"]["name"], address, show)
        write_json(run.summary, summary)
    if summary["state"] == "failed":
        drop_damaged_entries(home.cache, events)
        raise StepFailedError(summary)
    return summary


def _champion_url(home: Home, name: str, address: ServerOptions, show: Callable[[Event], None]) -> str | None:
    """Where the champion answers; the gate's "no" stands, and is said, even when it cannot be brought up."""
    try:
        return champion_url(home, name, address)
    except ForebayError as error:
        show({"kind": "warning", "step": "deploy", "text": f"The champion does not answer: {error}"})
        return None


def _state(exit_code: int, summary: dict[str, Any]) -> str:
    """done, refused or failed; an engine that ended well counts only with the facts that its steps recorded."""
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
