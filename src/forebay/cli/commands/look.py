"""Commands that only look: status, runs, logs, report, ui."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from forebay.backend.summary import STEPS
from forebay.cli.command import command
from forebay.cli.options import cluster_option, json_option
from forebay.errors import ConfigError
from forebay.local.runs.history import find_run, load_summary
from forebay.select_backend import command_backend
from forebay.serving.log_file import log_files
from forebay.serving.state import ServingFiles
from forebay.state import Home, RunFolder
from forebay.state.steplog import damaged_lines, read_events
from forebay.text import escape_controls, one_line

Result = TypeVar("Result")


@command("status")
@cluster_option
@click.option("--namespace", metavar="NAME", default="", help="Of --cluster: of served models, where you set one.")
@json_option
def status_command(cluster: bool, context: str, namespace: str, as_json: bool) -> int:
    """Show the last run and the server: what answers, where, and where its log is.

    A file of the state folder that is damaged is named with what mends it; the exit code is 2 then.

    With --cluster: the newest run of Kubeflow Pipelines, and every served model with what keeps it from answering.
    """
    from forebay.cluster.backend import ClusterBackend
    from forebay.local.backend import LocalBackend

    backend = command_backend(
        cluster,
        local=lambda: LocalBackend(home=Home.find().open()),
        cluster=lambda: ClusterBackend(context=context, namespace=namespace),
        cluster_options={"--context": context, "--namespace": namespace},
    )
    status = backend.status()
    if as_json:
        click.echo(json.dumps(status.facts, allow_nan=False))
        return 2 if status.problems else 0
    if status.run:
        from rich.console import Console

        from forebay.cli.render import print_summary

        print_summary(Console(), status.run)
    for line in status.lines:
        click.echo(one_line(line))
    return _told(status.problems)


@command("runs")
@json_option
def runs_command(as_json: bool) -> int:
    """List every run, newest first."""
    home = Home.find().open()
    problems: list[str] = []
    summaries = [load_summary(run, problems.append) for run in home.list_runs()]
    if as_json:
        click.echo(json.dumps({"runs": summaries}, allow_nan=False))
        return _told(problems)
    for summary in summaries:
        accuracy = f"{summary['accuracy']['value']:.2%}" if summary["accuracy"] else "-"
        model = summary["model"] or {}
        version = f"{model.get('name')} {model.get('version') or '-'}" if model else "-"
        click.echo(one_line(f"{summary['run_id']}  {summary['state']:<10} {accuracy:>8}  {version}"))
    if not summaries:
        click.echo(f"No run yet in {home.root}. Start with `forebay run`.")
    return _told(problems)


@command("logs")
@click.argument("step", type=click.Choice([*STEPS, "engine", "server"]))
@click.option("--run", "run_id", metavar="RUN_ID", help="Of this run instead of the last in which the step ran.")
def logs_command(step: str, run_id: str | None) -> None:
    """Print what a step wrote: its events, then its own output. `engine` and `server` are whole logs."""
    home = Home.find().open()
    if step == "server":
        log = ServingFiles.of(home).log
        for path in log_files(log) or [log]:  # older files first
            _print_file(path)
        return
    run = find_run(home, run_id) if run_id or step == "engine" else _last_with(home, step)
    if step == "engine":
        _print_file(run.engine_log)
        return
    for event in read_events(run.events)[0]:
        if event["step"] == step:
            facts = {key: value for key, value in event.items() if key not in ("time", "step", "kind")}
            click.echo(one_line(f"{event['time'][:19]} {event['kind']} {json.dumps(facts, ensure_ascii=False)}"))
    for line in step_output(run, step):
        click.echo(line)
    damaged = damaged_lines(run.events)
    if damaged:
        click.echo(
            f"{run.events} is damaged in {damaged} line{'s' * (damaged > 1)}. Lost: what the steps said there; what "
            "they made is not affected. The other lines are shown.",
            err=True,
        )


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
    from forebay.local.checks.all_checks import require_free_port
    from forebay.tracking import schema_revision, tracking_uri

    home = Home.find().open()
    require_free_port("127.0.0.1", port, "--port")
    if home.mlflow_database.exists():
        schema_revision(home.mlflow_database)  # a damaged one is named; the UI itself would show a traceback
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


def _told(problems: Iterable[str]) -> int:
    for problem in problems:
        click.echo(f"Error: {escape_controls(problem)}", err=True)
    return 2 if problems else 0


def step_output(run: RunFolder, step: str) -> list[str]:
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


def _latest(home: Home) -> RunFolder | None:
    return next(iter(home.list_runs()), None)


def _last_with(home: Home, step: str) -> RunFolder:
    """The newest run in which the step ran: in later ones it was cached."""
    for run in home.list_runs():
        if any(event["step"] == step for event in read_events(run.events)[0]):
            return run
    unread = [run.events for run in home.list_runs() if not read_events(run.events)[0] and run.events.exists()]
    damaged = f" {unread[0]} is damaged, or its run said nothing." if unread else ""
    raise ConfigError(f"No run in {home.root} came to {step} yet.{damaged} `forebay runs` lists them.")


def _print_file(path: Any) -> None:
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: nothing was written yet.")
    click.echo(path.read_text(errors="replace"), nl=False)
