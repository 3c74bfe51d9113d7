"""`forebay serve` and `forebay stop`: the server of this machine."""

import sys
from pathlib import Path

import click

from forebay.cli.command import command
from forebay.cli.completion import registered_names
from forebay.cli.server_options import (
    address_options,
    make_server_options,
    runner_option,
    server_settings,
    server_settings_option,
)
from forebay.local.server import control, server_status
from forebay.local.server.model_status import model_lines
from forebay.state import Home
from forebay.state.runners import Runner
from forebay.text import one_line


@command("serve")
@click.argument("models", nargs=-1, metavar="[MODEL ...]", shell_complete=registered_names)
@address_options
@runner_option
@server_settings_option
def serve_command(models: tuple[str, ...], host: str, port: int, runner: Runner, assignments: tuple[str, ...]) -> None:
    """Serve models on this machine.

    Without MODEL, every champion is served, also after a reboot. MODEL is NAME, NAME@champion, NAME/3 or a bundle
    folder.
    """
    from forebay.contracts.bundles.spec import SPEC
    from forebay.local.checks.mlflow_login import check_mlflow_login
    from forebay.local.server.champions import serve_models

    settings = server_settings(assignments)
    home = Home.find().open(writing=True)
    if not models or not all((Path(model) / SPEC).is_file() for model in models):
        check_mlflow_login(home)
    server = serve_models(home, models, make_server_options(home, host, port, runner, settings))
    click.echo(f"{server.url} ({server.runs_as}), log {server.log}")
    for line in model_lines(server_status.desired_models(home), server_status.loaded_models(home)):
        click.echo(one_line(line))
    for name, value in sorted(server_status.kept_settings(home).items()):
        click.echo(f"  serve.{name} = {value or '(none)'}")
    click.echo("It answers until `forebay stop`.")


@command("stop")
def stop_command() -> None:
    """End the server; requests in flight are answered first."""
    home = Home.find().open()
    click.echo("The server has ended." if control.stop_server(home) else "No server is running.", file=sys.stderr)
