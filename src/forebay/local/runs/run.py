"""A pipeline run from the command line's side: it plans, starts and follows the engine, and serves models meanwhile."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.backend.compiled_file import compiled_pipeline
from forebay.backend.protocol import RunRequest
from forebay.backend.summary import Event, Summary
from forebay.errors import DamagedFileError, MachineError
from forebay.ingest.fingerprint import absolute_labels, source_fingerprint
from forebay.ingest.own.paths import local_paths
from forebay.local.runs.cache import clear_cache
from forebay.local.runs.conclude import conclude_cut_run, conclude_run
from forebay.local.runs.engine_process import EngineProcess
from forebay.local.runs.follow_events import follow_events
from forebay.local.runs.history import load_summary
from forebay.local.server.handle_requests import handle_request
from forebay.local.server.launch import ServerOptions
from forebay.settings import IngestConfig, parameter_name
from forebay.settings.ingest import DIGITS
from forebay.settings.keys import Scalar
from forebay.settings.own_source import parse_own_source
from forebay.state import Home, RunFolder, write_json
from forebay.state.home import read_plan
from forebay.state.runners import Runner
from forebay.version import code_version
from forebay.weights.pin import pin_weights

ENDING = "Ending the step; training writes its checkpoint first. A second Ctrl-C does not wait for it."


def run_pipeline(
    home: Home, request: RunRequest, server_options: ServerOptions, show: Callable[[Event], None]
) -> Summary:
    """Run the compiled pipeline and return its summary, which is also written into the run's folder.

    Args:
        home: the state folder, open.
        request: what the run is asked to do.
        server_options: how to start the server, and what runs server and steps.
        show: called with every event as it arrives.

    Raises:
        LockHeldError: another run holds the state folder.
        StepFailedError: a step failed.
        EndedBySignalError: Ctrl-C, or a signal that ends like it.
    """
    ours = f"`forebay run` started {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"

    def show_waiting(holder: str) -> None:
        show({"kind": "waiting", "text": f"Waiting until {home.root} is free: held by {holder}."})

    with home.lock.held(ours, wait=request.wait, waiting=show_waiting):
        if request.fresh:
            clear_cache(home.cache)
        _end_leftover_containers(home, server_options.runner)
        parameters = run_parameters(
            home, request.settings, server_options.runner
        )  # only now: while we waited for the lock the data may have changed
        run = home.new_run()
        write_json(run.plan, _plan(request, parameters, server_options.runner))
        start = time.monotonic()
        try:
            exit_code = _watch(home, run, request, server_options, show)
        except (KeyboardInterrupt, Exception) as error:
            ended = conclude_cut_run(home, run, error, time.monotonic() - start)
            if ended is None:
                raise
            raise ended from error
        return conclude_run(home, run, server_options, exit_code, time.monotonic() - start, show)


def _plan(request: RunRequest, parameters: dict[str, Scalar], runner: Runner) -> dict[str, Any]:
    data = str(parameters["ingest_data"])
    own = parse_own_source(data)
    sources = [*(local_paths(own) if own else [data]), str(parameters["ingest_labels"])]
    weights = Path(str(parameters.get("train_weights", "")))
    sources += [str(weights)] if weights.is_file() else []
    return {
        "pipeline": str(compiled_pipeline()),
        "parameters": parameters,
        "runner": runner,
        "sources": [path for path in sources if Path(path).is_absolute()],
        "fresh": request.fresh,
        "pid": os.getpid(),
    }


def _end_leftover_containers(home: Home, runner: Runner) -> None:
    """End containers of a killed run; one that still trains would hold the checkpoints of the next run."""
    from forebay.local.containers.step_containers import end_left_containers

    if runner == "docker":
        end_left_containers(home)
        return
    last = next(iter(home.list_runs()), None)
    if last is not None and _was_cut(last) and _may_have_containers(last):
        with contextlib.suppress(MachineError):  # a run of processes needs no container engine, which may be gone
            end_left_containers(home)


def _was_cut(run: RunFolder) -> bool:
    """Whether the run did not come to its end, so that something of it may be left."""
    return run.plan.is_file() and load_summary(run)["state"] not in ("done", "refused")


def _may_have_containers(run: RunFolder) -> bool:
    try:
        return read_plan(run).get("runner") == "docker"
    except DamagedFileError:
        return True


def run_parameters(home: Home, settings: Mapping[str, Scalar], runner: Runner) -> dict[str, Scalar]:
    """The pipeline's parameters: settings, the data as they are now, and the weights that a file holds now."""
    given = {parameter_name(key): value for key, value in settings.items()}
    data = _absolute(str(given.get("ingest_data", IngestConfig.data)))
    labels = absolute_labels(data, str(given.get("ingest_labels", IngestConfig.labels)))
    code = str(given.get("ingest_source_code", IngestConfig.source_code))
    fingerprint = source_fingerprint(data, labels, code, ask=runner != "docker")
    ingest = {"ingest_data": data, "ingest_labels": labels, "ingest_fingerprint": fingerprint}
    return {**given, **ingest, **_weights(home, given), "code_version": code_version()}


def _weights(home: Home, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The settings of the weights that training begins with, where they name a file that may change."""
    if "train_weights" not in given:
        return {}
    model, sha256 = (str(given.get(f"train_{name}", "")) for name in ("model", "weights_sha256"))
    weights, digest = pin_weights(home, str(given["train_weights"]), model, sha256)
    return {"train_weights": weights, **({"train_weights_sha256": digest} if digest else {})}


def _absolute(data: str) -> str:
    """A local path in full, so that steps and later readers of the lineage need not know this folder."""
    elsewhere = data == DIGITS or "://" in data or parse_own_source(data) is not None
    return data if elsewhere else str(Path(data).expanduser().absolute())


def _watch(
    home: Home, run: RunFolder, request: RunRequest, server_options: ServerOptions, show: Callable[[Event], None]
) -> int:
    with EngineProcess(home, run, fresh=request.fresh) as engine:
        try:
            return follow_events(run, show, engine.exit_code, lambda: handle_request(home, run, server_options))
        except KeyboardInterrupt:
            show({"kind": "waiting", "text": ENDING})
            raise
