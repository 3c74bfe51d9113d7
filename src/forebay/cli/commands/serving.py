"""Commands around the served models: serve, predict, rollback, stop."""

import json
import sys
from pathlib import Path

import click

from forebay.cli.address import (
    address_options,
    runner_option,
    server_address,
    server_settings,
    server_settings_option,
)
from forebay.cli.command import command
from forebay.cli.commands.look import load_summary
from forebay.cli.options import INTERRUPTED, cluster_option, json_option, refuse_without_cluster
from forebay.errors import ConfigError
from forebay.local.server import control
from forebay.local.server.standing import model_lines
from forebay.serving.state import ServerInfo
from forebay.state import Home
from forebay.state.runners import Runner
from forebay.text import one_line


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
    name = name or _default_model(home)
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
) -> int:
    """Make the version that was champion before the present one champion again, and serve it.

    With --cluster: the InferenceService NAME, by a short-lived pod beside the steps of pipelines, which knows registry
    and store; the version is served the way it was when it was proved. Where it does not come up or does not answer,
    what is served now is served again.

    \b
    forebay rollback digits
    forebay rollback digits --cluster --context NAME
    """
    if cluster:
        if assignments:
            raise ConfigError(
                "--set goes without --cluster: there a version is served the way it was when it was proved."
            )
        return _roll_back_on_cluster(name, context, namespace, image)
    refuse_without_cluster(context=context, namespace=namespace, image=image)
    from forebay import registry
    from forebay.local.checks.logins import check_mlflow
    from forebay.local.server.champions import bring_up, earlier_champion

    settings = server_settings(assignments)
    home = Home.find().open(writing=True)
    check_mlflow(home)
    name = name or _default_model(home)
    version = earlier_champion(home, name)
    server = bring_up(home, (f"{name}/{version}",), server_address(home, host, port, runner, settings))
    registry.set_champion(home, name, version, back=True)
    click.echo(f"{name} version {version} is champion again and answers at {server.url}.")
    return 0


def _roll_back_on_cluster(name: str | None, context: str, namespace: str, image: str) -> int:
    from forebay.cluster.rollout.rollback import send
    from forebay.settings import DeployConfig

    if not name:
        raise ConfigError("Name the model; `forebay status --cluster` lists those that are served.")
    config = DeployConfig(namespace=namespace) if namespace else DeployConfig()
    try:
        outcome = send(name, config.namespace, context, image, lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        click.echo(
            "Ended in the middle; the pod is told to end, and then serves again what was served before, unless it was "
            "done already. `forebay status --cluster` shows what answers: look before you try again.",
            err=True,
        )
        return INTERRUPTED
    click.echo(f"{name} version {outcome.version} is champion again and answers at {outcome.url}.")
    return 0


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


def _default_model(home: Home) -> str:
    """The model of the newest run that is served now, else the only one that is."""
    served = control.current_models(home)
    for run in home.list_runs():
        name = (load_summary(run)["model"] or {}).get("name")
        if name in served:
            return str(name)
    if len(served) == 1:
        return next(iter(served))
    raise ConfigError(
        f"Name the model, one of: {', '.join(sorted(served)) or 'none is served; start with `forebay run`'}."
    )
