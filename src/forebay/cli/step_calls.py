"""Helpers of the commands that call single steps: settings, output folder, view, printed result."""

import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from forebay.api.render import RunView
from forebay.api.run_settings import parse_words
from forebay.backend.summary import Summary
from forebay.cli.options import require_result_folder
from forebay.cli.output_redirection import redirect_output_to
from forebay.errors import ConfigError
from forebay.settings.cluster_only import check_local_settings
from forebay.settings.keys import Scalar
from forebay.signals import before_forced_exit, raise_on_signals
from forebay.state import Home

Result = TypeVar("Result")


def parse_step_settings(assignments: tuple[str, ...] | list[str], *steps: str) -> dict[str, Scalar]:
    """The given settings, each a setting of a step that the command calls."""
    values = parse_words(assignments)
    check_local_settings(values)
    for key in values:
        if key.partition(".")[0] not in steps:
            raise ConfigError(f"--set {key}: this command has only the settings of {', '.join(steps)}.")
    return values


def check_output_folder(out: Path, ours: tuple[str, ...]) -> None:
    """Refuse a folder that holds files of somebody else, because the steps empty it.

    Temporary files that a killed command left there (`write_bytes` names them) are removed.
    """
    require_result_folder(out, "--out")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    leftovers = [name for name in names if any(fnmatch(name, f".{pattern}.{'?' * 8}") for pattern in ours)]
    others = [name for name in names.difference(leftovers) if not any(fnmatch(name, pattern) for pattern in ours)]
    if others:
        raise ConfigError(
            f"--out: {out} holds {min(others)!r}, which this command does not write, and it would be emptied. "
            "Give a new folder."
        )
    for name in leftovers:
        (out / name).unlink(missing_ok=True)


def call_and_show(body: Callable[[], Result]) -> tuple[Result, Summary]:
    """Call steps and show them as a run's are shown; what libraries print goes to the log of the state folder."""
    from forebay.local.runs.steps import call_steps

    home = Home.find().open()
    raise_on_signals()
    with (
        redirect_output_to(home.command_log) as screen,
        RunView(Console(file=screen)) as view,
        before_forced_exit(lambda *_: view.__exit__()),
    ):
        return call_steps(body, view.show)


def print_result(summary: Summary, **facts: Any) -> None:
    """Print the facts of a step as one JSON object, with seconds and warnings."""
    click.echo(json.dumps({**facts, "steps": summary["steps"], "warnings": summary["warnings"]}, allow_nan=False))
