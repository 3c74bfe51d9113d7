"""`forebay rollback`: back to the previous champion, on this machine or on a cluster."""

from typing import TYPE_CHECKING

import click

from forebay.cli.command import command
from forebay.cli.completion import registered_names
from forebay.cli.options import cluster_option, cluster_timeouts
from forebay.cli.server_options import (
    address_options,
    make_server_options,
    runner_option,
    server_settings,
    server_settings_option,
)
from forebay.select_backend import command_backend
from forebay.state import Home
from forebay.state.runners import Runner

if TYPE_CHECKING:
    from forebay.local.backend import LocalBackend


@command("rollback")
@click.argument("name", required=False, shell_complete=registered_names)
@address_options
@runner_option
@server_settings_option
@cluster_option
@click.option("--namespace", metavar="NAME", default="", help="With --cluster: namespace of the served model.")
@click.option("--image", metavar="NAME", default="", help="With --cluster: container image of the pod that rolls back.")
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
    """Serve the version that was champion before.

    That version becomes champion again. With --cluster, a short-lived pod beside the steps of pipelines, which reaches
    registry and store, rolls back the InferenceService NAME; the version is served with the settings with which it was
    proved. Where it does not come up or does not answer, what is served now is served again.

    \b
    forebay rollback digits
    forebay rollback digits --cluster --context NAME
    """
    from forebay.cluster.backend import ClusterBackend

    backend = command_backend(
        cluster,
        local=lambda: _server_backend(host, port, runner, assignments),
        cluster=lambda: ClusterBackend(timeouts=cluster_timeouts(), context=context, namespace=namespace, image=image),
        local_options={"--set": (assignments, "there a version is served the way it was when it was proved")},
        cluster_options={"--context": context, "--namespace": namespace, "--image": image},
    )
    done = backend.roll_back(name or "", lambda line: click.echo(line, err=True))
    click.echo(f"{done.name} version {done.version} is champion again and answers at {done.url}.")


def _server_backend(host: str, port: int, runner: Runner, assignments: tuple[str, ...]) -> "LocalBackend":
    from forebay.local.backend import LocalBackend

    settings = server_settings(assignments)
    home = Home.find().open(writing=True)
    return LocalBackend(home=home, server_options=make_server_options(home, host, port, runner, settings))
