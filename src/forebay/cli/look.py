"""Commands that only look: status, runs, logs, report, ui."""

import contextlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from forebay.cli.command import command
from forebay.cli.options import cluster_option, json_option, refuse_without_cluster
from forebay.engine.summary import STEPS, summarize
from forebay.errors import ConfigError
from forebay.serving.local import control
from forebay.serving.local import log as server_log
from forebay.serving.local.record import Restarts
from forebay.serving.state import ServerInfo, ServingFiles
from forebay.state import Home, Run, read_json
from forebay.state.steplog import read_events

HIDDEN = ("pid", "unanswered")  # of `Restarts`: nobody's concern
NO_RUN = summarize("", []) | {"run_id": None, "state": None, "seconds": None}  # every key of a run's summary


@command("status")
@cluster_option
@click.option("--namespace", metavar="NAME", default="", help="Of --cluster: of served models, where you set one.")
@json_option
def status_command(cluster: bool, context: str, namespace: str, as_json: bool) -> None:
    """Show the last run and the server: what answers, where, and where its log is.

    With --cluster: the newest run of Kubeflow Pipelines, and every served model with what keeps it from answering.
    """
    if cluster:
        from forebay.cli.cluster_status import show_cluster

        show_cluster(context, namespace, as_json=as_json)
        return
    refuse_without_cluster(context=context, namespace=namespace)
    home = Home.find().open()
    run = _latest(home)
    server = control.status(home)
    summary = load_summary(run) if run else NO_RUN
    if as_json:
        facts = {"server": _server_object(home, server), "restarts": _restarts_object(home, server)}
        click.echo(json.dumps({**summary, **facts}, allow_nan=False))
        return
    if run:
        from rich.console import Console

        from forebay.cli.render import print_summary

        print_summary(Console(), summary)
    else:
        click.echo(f"No run yet in {home.root}. Start with `forebay run`.")
    for line in _server_lines(home, server):
        click.echo(line)


@command("runs")
@json_option
def runs_command(as_json: bool) -> None:
    """List every run, newest first."""
    home = Home.find().open()
    summaries = [load_summary(run) for run in home.list_runs()]
    if as_json:
        click.echo(json.dumps({"runs": summaries}, allow_nan=False))
        return
    for summary in summaries:
        accuracy = f"{summary['accuracy']['value']:.2%}" if summary["accuracy"] else "-"
        model = summary["model"] or {}
        version = f"{model.get('name')} {model.get('version') or '-'}" if model else "-"
        click.echo(f"{summary['run_id']}  {summary['state']:<10} {accuracy:>8}  {version}")
    if not summaries:
        click.echo(f"No run yet in {home.root}. Start with `forebay run`.")


@command("logs")
@click.argument("step", type=click.Choice([*STEPS, "engine", "server"]))
@click.option("--run", "run_id", metavar="RUN_ID", help="Of this run instead of the last in which the step ran.")
def logs_command(step: str, run_id: str | None) -> None:
    """Print what a step wrote: its events, then its own output. `engine` and `server` are whole logs."""
    home = Home.find().open()
    if step == "server":
        log = ServingFiles.of(home).log
        for path in server_log.files(log) or [log]:  # older files first
            _print_file(path)
        return
    run = find_run(home, run_id) if run_id or step == "engine" else _last_with(home, step)
    if step == "engine":
        _print_file(run.engine_log)
        return
    for event in read_events(run.events)[0]:
        if event["step"] == step:
            facts = {key: value for key, value in event.items() if key not in ("time", "step", "kind")}
            click.echo(f"{event['time'][:19]} {event['kind']} {json.dumps(facts, ensure_ascii=False)}")
    for line in step_output(run, step):
        click.echo(line)


@command("report")
@click.option("--run", "run_id", metavar="RUN_ID", help="Of this run instead of the last one that has a report.")
def report_command(run_id: str | None) -> None:
    """Print the path of the HTML report."""
    home = Home.find().open()
    runs = [find_run(home, run_id)] if run_id else home.list_runs()
    found = next((run.report for run in runs if run.report.is_file()), None)
    if found is None:
        raise ConfigError(f"No report in {home.root}: no run reached evaluate yet. `forebay run` makes one.")
    click.echo(str(found))


@command("ui")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui_command(port: int) -> int:
    """Open MLflow's own UI on this state: experiments, curves, model versions. Ctrl-C ends it."""
    from forebay.doctor.checks import require_free_port
    from forebay.tracking import tracking_uri

    home = Home.find().open()
    require_free_port("127.0.0.1", port, "--port")
    click.echo(f"MLflow's UI answers at http://127.0.0.1:{port} until Ctrl-C.", err=True)
    words = ["server", "--artifacts-destination", str(home.mlflow_artifacts)]
    command_line = [
        sys.executable,
        "-P",
        "-m",
        "mlflow",
        *words,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    # The URI may carry a password, and everybody on a machine sees command lines.
    variables = {"MLFLOW_BACKEND_STORE_URI": _absolute(tracking_uri(home)), "MLFLOW_DISABLE_TELEMETRY": "true"}
    # Its web server looks for modules in the folder where it starts, which is never the user's.
    server = subprocess.Popen(command_line, env={**os.environ, **variables}, cwd=home.root)  # noqa: S603
    try:
        return server.wait()
    except KeyboardInterrupt:
        _end_tree(server.pid)
        return 0


def _absolute(uri: str) -> str:
    """The address of a store; a sqlite file that it names from here is named in full."""
    file = re.fullmatch(r"sqlite:///([^/:?][^?]*)(.*)", uri)
    return f"sqlite:///{Path(file[1]).absolute()}{file[2]}" if file else uri


def _end_tree(pid: int) -> None:
    """End a process and what it started: MLflow's server leaves its workers behind when only it is told."""
    import psutil

    try:
        parent = psutil.Process(pid)
        tree = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(tree, timeout=10)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def load_summary(run: Run) -> dict[str, Any]:
    """The summary of a run; rebuilt from its events when the run never ended."""
    if run.summary.is_file():
        summary: dict[str, Any] = read_json(run.summary)
        return summary
    return summarize(run.run_id, read_events(run.events)[0]) | {"state": "unfinished", "seconds": None}


def step_output(run: Run, step: str) -> list[str]:
    """The lines of the engine's log that belong to one step, without kfp's colours."""
    if not run.engine_log.is_file():
        return []
    lines, current = [], ""
    for line in click.unstyle(run.engine_log.read_text(errors="replace")).splitlines():
        task = re.search(r"Executing task '([\w-]+)'", line)
        current = task[1] if task else current
        if current == step:
            lines.append(line)
    return lines


def _latest(home: Home) -> Run | None:
    return next(iter(home.list_runs()), None)


def _last_with(home: Home, step: str) -> Run:
    """The newest run in which the step ran: in later ones it was cached."""
    for run in home.list_runs():
        if any(event["step"] == step for event in read_events(run.events)[0]):
            return run
    raise ConfigError(f"No run in {home.root} came to {step} yet. `forebay runs` lists them.")


def find_run(home: Home, run_id: str | None) -> Run:
    """The run of an id, or the newest.

    Raises:
        ConfigError: there is none.
    """
    runs = home.list_runs()
    if run_id is None and runs:
        return runs[0]
    for run in runs:
        if run.run_id == run_id:
            return run
    known = ", ".join(run.run_id for run in runs[:5]) or "none yet"
    raise ConfigError(f"There is no run {run_id or ''} in {home.root}. Newest runs: {known}.")


def _server_object(home: Home, server: ServerInfo | None) -> dict[str, Any] | None:
    if server is None:
        return None
    models = {name: vars(model) for name, model in control.current_models(home).items()}
    return {"url": server.url, "pid": server.pid, "log": server.log, "models": models}


def _restarts_object(home: Home, server: ServerInfo | None) -> dict[str, Any] | None:
    """How often, when last and why the server was started again; None where nothing of that is known."""
    told = control.restarts(home, server)
    return None if told is None else {key: value for key, value in asdict(told).items() if key not in HIDDEN}


def _server_lines(home: Home, server: ServerInfo | None) -> list[str]:
    told = control.restarts(home, server)
    if server is None:
        return ["", *_down(home, told)]
    lines = ["", f"server: {server.url} ({server.runs_as}), log {server.log}"]
    if told is not None and told.count:
        lines.append(f"  started again {_times(told.count)}, the last time after {told.last}: {told.why}")
    lines += [f"  {name} version {model.version}" for name, model in control.current_models(home).items()]
    return [*lines, "After a reboot: `forebay serve`. To end it: `forebay stop`."]


def _down(home: Home, told: Restarts | None) -> list[str]:
    log = ServingFiles.of(home).log
    if control.is_supervised(home):
        if told is None or not told.next:
            return [f"server: starting. Its log: {log}"]
        return [
            f"server: down since {told.last} ({told.why}). It was started again {_times(told.count)} and will be at "
            f"{told.next}; `forebay serve` does it now, `forebay stop` ends it. Its log: {log}"
        ]
    lines = ["server: not running. `forebay serve` brings the champions up again (after a reboot, too)."]
    if told is not None and told.given_up:
        lines.append(f"  given up at {told.last}: {told.why} Its log: {log}")
    elif told is not None:
        lines.append(f"  its supervisor (process {told.pid}) was killed, and the server ended with it. Its log: {log}")
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _print_file(path: Any) -> None:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: nothing was written yet.")
    click.echo(path.read_text(errors="replace"), nl=False)
