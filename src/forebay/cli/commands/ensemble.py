"""`forebay ensemble`: registered versions become one model, which goes the way of every other one."""

import click

from forebay.api.run_settings import parse_words
from forebay.cli.command import command
from forebay.cli.commands.run import run_and_show
from forebay.cli.completion import registered_names
from forebay.cli.options import json_option, set_option
from forebay.cli.server_options import address_options, make_server_options, runner_option
from forebay.errors import ConfigError
from forebay.settings.cluster_only import check_local_settings
from forebay.state import Home
from forebay.state.runners import Runner


@command("ensemble")
@click.argument("name", metavar="NAME", shell_complete=registered_names)
@click.argument("versions", nargs=-1, required=True, metavar="VERSION [VERSION ...]")
@click.option(
    "--data", metavar="PATH_OR_URI", help="Images to judge it on; without it, those of the run that made a version."
)
@set_option()
@click.option("--fresh", is_flag=True, help="Compute everything again: forget cached results.")
@click.option("--wait", is_flag=True, help="When another run uses this state folder, wait for it instead of refusing.")
@address_options
@runner_option
@json_option
def ensemble_command(
    name: str,
    versions: tuple[str, ...],
    data: str | None,
    assignments: tuple[str, ...],
    fresh: bool,
    wait: bool,
    host: str,
    port: int,
    runner: Runner,
    as_json: bool,
) -> int:
    """Make one model of registered versions, and serve it.

    It answers with the mean of their probabilities. VERSION is a number or an alias of NAME, or NAME/3 or NAME@champion
    of another model with the same classes and images. Nothing is trained: the pipeline runs as `forebay run` does, on
    the data of the run that made the versions, with their networks in place of a training. So the model is measured on
    rows that none of them was trained on, against its best member too, goes through the gate, and becomes the next
    version of NAME. Exit code 3 when the gate refuses.

    \b
    forebay ensemble digits 3 5 6
    forebay ensemble digits champion 5 other/2

    On a cluster: forebay submit --set train.ensemble=digits/3,digits/5, with the settings of the run that made them.
    """
    given = parse_words([*([f"ingest.data={data}"] if data else []), *assignments])
    check_local_settings(given)
    training = next((key for key in given if key.startswith("train.")), None)
    if training:
        raise ConfigError(f"--set {training}: nothing is trained here, so this setting has no meaning.")
    from forebay.backend.protocol import RunRequest
    from forebay.local.backend import LocalBackend
    from forebay.local.checks.mlflow_login import check_mlflow_login
    from forebay.local.runs.ensemble_settings import ensemble_settings

    home = Home.find().open(writing=True)
    check_mlflow_login(home)
    values = ensemble_settings(home, name, versions, given)
    backend = LocalBackend(home=home, server_options=make_server_options(home, host, port, runner, values))
    return run_and_show(backend, RunRequest(settings=values, fresh=fresh, wait=wait), as_json=as_json)
