"""`forebay runs`, `forebay logs` and `forebay report`: what earlier runs did."""

import json
import os
import re
from datetime import datetime
from typing import Any

import click

from forebay.backend.summary import STEPS
from forebay.backend.summary_text import running_text
from forebay.cli.command import command, show_problems
from forebay.cli.completion import run_ids
from forebay.cli.options import NearChoice, json_option
from forebay.errors import ConfigError
from forebay.local.runs.history import find_run, load_summaries
from forebay.serving.log_file import log_files
from forebay.serving.state import ServingFiles
from forebay.state import Home, RunFolder
from forebay.state.events import count_damaged_lines, read_events
from forebay.text import format_duration, one_line


@command("runs")
@json_option
def runs_command(as_json: bool) -> int:
    """List every run, newest first.

    Each line holds the run, its state, when it began, how long it took, accuracy and model, and of a run that goes on
    the step in progress. A run is `running` while its command is at work, `interrupted` where Ctrl-C or SIGTERM ended
    it, and `killed` where neither is so: its time is then that of its last sign of life. Others came to their end:
    `done`, `refused` by the gate, `failed`.
    """
    home = Home.find().open()
    problems: list[str] = []
    summaries = load_summaries(home, problems.append)
    if as_json:
        click.echo(json.dumps({"runs": summaries}, allow_nan=False))
        return show_problems(problems)
    for summary in summaries:
        click.echo(one_line(_line(summary)))
    if not summaries:
        click.echo(f"No run yet in {home.root}. Start with `forebay run`.")
    return show_problems(problems)


def _line(summary: dict[str, Any]) -> str:
    """A run in one line: when it began (this machine's time), how it ended, how long it took, what came of it."""
    began = f"{datetime.fromisoformat(summary['started']).astimezone():%Y-%m-%d %H:%M}" if summary["started"] else "-"
    took = "-" if summary["seconds"] is None else format_duration(summary["seconds"])
    accuracy = f"{summary['accuracy']['value']:.2%}" if summary["accuracy"] else "-"
    model = summary["model"] or {}
    version = f"{model.get('name')} {model.get('version') or '-'}" if model else "-"
    facts = f"{summary['run_id']}  {summary['state']:<11}  {began:<16}  {took:>7}  {accuracy:>8}  {version}"
    return "  ".join(filter(None, (facts, running_text(summary))))


@command("logs")
@click.argument("step", type=NearChoice([*STEPS, "engine", "server"]))
@click.option(
    "--run",
    "run_id",
    metavar="RUN_ID",
    shell_complete=run_ids,
    help="The run; without it, the last one in which the step ran.",
)
def logs_command(step: str, run_id: str | None) -> None:
    """Print what a step wrote.

    Its events come first, then its own output. `engine` and `server` print whole logs.
    """
    home = Home.find().open()
    if step == "server":
        log = ServingFiles.of(home).log
        for path in log_files(log) or [log]:  # older files first
            _print_file(path)
        return
    run = find_run(home, run_id) if run_id or step == "engine" else _last_run_with(home, step)
    if step == "engine":
        _print_file(run.engine_log)
        return
    for event in read_events(run.events)[0]:
        if event["step"] == step:
            facts = {key: value for key, value in event.items() if key not in ("time", "step", "kind")}
            click.echo(one_line(f"{event['time'][:19]} {event['kind']} {json.dumps(facts, ensure_ascii=False)}"))
    for line in _step_output(run, step):
        click.echo(line)
    damaged = count_damaged_lines(run.events)
    if damaged:
        click.echo(
            f"{run.events} is damaged in {damaged} line{'s' * (damaged > 1)}. Lost: what the steps said there; what "
            "they made is not affected. The other lines are shown.",
            err=True,
        )


@command("report")
@click.option(
    "--run",
    "run_id",
    metavar="RUN_ID",
    shell_complete=run_ids,
    help="The run; without it, the last one that has a report.",
)
def report_command(run_id: str | None) -> None:
    """Print the path of the HTML report."""
    home = Home.find().open()
    runs = [find_run(home, run_id)] if run_id else home.list_runs()
    found = next((run.report for run in runs if run.report.is_file()), None)
    if found is None:
        raise ConfigError(f"No report in {home.root}: no run reached evaluate yet. `forebay run` makes one.")
    click.echo(os.fsencode(found))  # for another program: the very name, whatever its bytes are


def _step_output(run: RunFolder, step: str) -> list[str]:
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


def _last_run_with(home: Home, step: str) -> RunFolder:
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
