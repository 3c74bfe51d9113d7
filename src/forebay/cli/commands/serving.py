"""Commands around the served models: serve, predict, rollback, stop."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.cli.address import (
    address_options,
    runner_option,
    server_address,
    server_settings,
    server_settings_option,
)
from forebay.cli.command import command
from forebay.cli.options import cluster_option, json_option
from forebay.errors import ConfigError
from forebay.local.runs.history import default_model
from forebay.local.server import control
from forebay.local.server.standing import model_lines
from forebay.select_backend import command_backend
from forebay.serving.state import ServerInfo
from forebay.state import Home
from forebay.state.runners import Runner
from forebay.text import one_line

if TYPE_CHECKING:
    from forebay.local.backend import LocalBackend


@command("serve")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@address_options
@runner_option
@server_settings_option
def serve_command(models: tuple[str, ...], host: str, port: int, runner: Runner, assignments: tuple[str, ...]) -> None:
    """Bring models up on this machine's server; without MODEL, every champion (also after a reboot).

    MODEL is NAME, NAME@champion, NAME/3 or a bundle folder.
    """
    from forebay.contracts.bundles.spec import SPEC
    from forebay.local.checks.logins import check_mlflow
    from forebay.local.server.champions import bring_up

    settings = server_settings(assignments)
    home = Home.find().open(writing=True)
    if not models or not all((Path(model) / SPEC).is_file() for model in models):
        check_mlflow(home)
    server = bring_up(home, models, server_address(home, host, port, runner, settings))
    click.echo(f"{server.url} ({server.runs_as}), log {server.log}")
    for line in model_lines(control.current_models(home), control.loaded_models(home)):
        click.echo(one_line(line))
    for name, value in sorted(control.settings(home).items()):
        click.echo(f"  serve.{name} = {value or '(none)'}")
    click.echo("It answers until `forebay stop`.")


@command("predict")
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Model to ask; the one of the newest run where it is not given.")
@click.option("--url", metavar="URL", help="A server elsewhere, such as http://host:8090; then --name is needed.")
@json_option
def predict_command(image: Path, name: str | None, url: str | None, as_json: bool) -> None:
    """Send a PNG or JPEG of any size to the served model and show what it sees."""
    from forebay.serving.client import predict

    home = Home.find().open()
    name = name or default_model(home)
    prediction = predict(url or _running(home).url, name, image.read_bytes())
    if as_json:
        click.echo(json.dumps(prediction))
        return
    probability = max(prediction["probabilities"])
    version = prediction["model_version"]
    click.echo(one_line(f"{prediction['label_name']}  {probability:.1%}  ({name} version {version})"))


@command("rollback")
@click.argument("name", required=False)
@address_options
@runner_option
@server_settings_option
@cluster_option
@click.option("--namespace", metavar="NAME", default="", help="Of --cluster: of the served model, where you set one.")
@click.option("--image", metavar="NAME", default="", help="Of --cluster: of the pod that does it.")
def rollback_command(
    name: str | None,
    host: str,
    port: int,
    runner: Runner,
    assignments: tuple[str, ...],
    cluster: bool,
    context: str,
    namespace: str,
    image: str,
) -> None:
    """Make the version that was champion before the present one champion again, and serve it.

    With --cluster: the InferenceService NAME, by a short-lived pod beside the steps of pipelines, which knows registry
    and store; the version is served the way it was when it was proved. Where it does not come up or does not answer,
    what is served now is served again.

    \b
    forebay rollback digits
    forebay rollback digits --cluster --context NAME
    """
    from forebay.cluster.backend import ClusterBackend

    backend = command_backend(
        cluster,
        local=lambda: _server_backend(host, port, runner, assignments),
        cluster=lambda: ClusterBackend(context=context, namespace=namespace, image=image),
        local_options={"--set": assignments},
        cluster_options={"--context": context, "--namespace": namespace, "--image": image},
    )
    done = backend.roll_back(name or "", lambda line: click.echo(line, err=True))
    click.echo(f"{done.name} version {done.version} is champion again and answers at {done.url}.")


def _server_backend(host: str, port: int, runner: Runner, assignments: tuple[str, ...]) -> "LocalBackend":
    from forebay.local.backend import LocalBackend

    settings = server_settings(assignments)
    home = Home.find().open(writing=True)
    return LocalBackend(home=home, address=server_address(home, host, port, runner, settings))


@command("stop")
def stop_command() -> None:
    """End the server; requests in flight are answered first."""
    home = Home.find().open()
    click.echo("The server has ended." if control.stop(home) else "No server is running.", file=sys.stderr)


def _running(home: Home) -> ServerInfo:
    server = control.status(home)
    if server is None:
        raise ConfigError(
            "No server is running. `forebay run` trains and serves one, `forebay serve` brings champions up."
        )
    return server
