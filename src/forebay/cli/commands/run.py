"""`forebay run`: the whole pipeline on this machine."""

import json
from typing import TYPE_CHECKING, Any

import click

from forebay.cli.command import command
from forebay.cli.options import RunSettings, json_option, setting_options
from forebay.cli.server_options import address_options, make_server_options, runner_option
from forebay.errors import ExitCode
from forebay.settings import all_settings
from forebay.settings.cluster_only import check_local_settings
from forebay.signals import raise_on_signals
from forebay.state import Home
from forebay.state.runners import Runner

if TYPE_CHECKING:
    from forebay.backend.protocol import RunRequest
    from forebay.local.backend import LocalBackend


@command("run")
@click.option(
    "--data",
    metavar="PATH_OR_URI",
    help="Short for --set ingest.data=VALUE: a folder, tar, IDX, CIFAR-10, Parquet; s3:// too; or a source of "
    "your own, FILE.py:NAME.",
)
@setting_options
@click.option(
    "--settings", "list_settings", is_flag=True, help="List every key with default, unit and meaning, and end."
)
@click.option("--wait", is_flag=True, help="When another run uses this state folder, wait for it instead of refusing.")
@address_options
@runner_option
@json_option
def run_command(
    data: str | None,
    settings: RunSettings,
    list_settings: bool,
    wait: bool,
    host: str,
    port: int,
    runner: Runner,
    as_json: bool,
) -> int:
    """Run the whole pipeline on this machine.

    The steps are ingest, preprocess, train, evaluate, register and deploy. The first run on the default data (1 797
    handwritten digits) takes less than a minute and ends with a model that answers over REST. A second run does again
    only what has changed.
    """
    if list_settings:
        _print_settings(as_json)
        return 0
    values = settings.parse(ingest_data=data)
    check_local_settings(values)
    from forebay.backend.protocol import RunRequest
    from forebay.local.backend import LocalBackend

    home = Home.find().open(writing=True)
    backend = LocalBackend(home=home, server_options=make_server_options(home, host, port, runner, values))
    return run_and_show(backend, RunRequest(settings=values, fresh=settings.fresh, wait=wait), as_json=as_json)


def run_and_show(backend: "LocalBackend", request: "RunRequest", *, as_json: bool) -> int:
    """Run the pipeline, show it, print what it gave, and return the exit code."""
    from rich.console import Console

    from forebay.api.render import RunView, print_summary
    from forebay.api.run import run_shown

    raise_on_signals()
    summary = run_shown(backend, request, RunView(Console(stderr=True)))
    if as_json:
        click.echo(json.dumps(summary, allow_nan=False))
    else:
        print_summary(Console(), summary)
        _print_next(backend.home, summary)
    return 0 if summary["state"] == "done" else ExitCode.GATE_REFUSED


def _print_next(home: Home, summary: dict[str, Any]) -> None:
    from forebay.serving.curl import curl_command

    if not summary["url"]:
        click.echo("\nNo model serves under this name: the gate refused the first one.")
        return
    click.echo("\nThe model answers until `forebay stop`. Try it:\n")
    click.echo(curl_command(home, summary["url"]))


def _print_settings(as_json: bool) -> None:
    settings = all_settings()
    if as_json:
        click.echo(json.dumps([vars(setting) for setting in settings]))
        return
    for setting in settings:
        unit = f" {setting.unit}" if setting.unit else ""
        click.echo(f"{setting.key} = {setting.default}{unit}\n    {setting.meaning}.")
