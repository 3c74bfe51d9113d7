"""`forebay status`: the newest run and the served models, of this machine or of a cluster."""

import json

import click

from forebay.cli.command import command, show_problems
from forebay.cli.options import cluster_option, cluster_timeouts, json_option
from forebay.errors import ExitCode
from forebay.select_backend import command_backend
from forebay.state import Home
from forebay.text import one_line


@command("status")
@cluster_option
@click.option("--namespace", metavar="NAME", default="", help="With --cluster: namespace of the served models.")
@json_option
def status_command(cluster: bool, context: str, namespace: str, as_json: bool) -> int:
    """Show the newest run and the served models.

    On this machine it also shows where the server answers and where its log is. Where a file of the state folder is
    damaged, the file is named with what mends it, and the exit code is 2.

    With --cluster it shows the newest run of Kubeflow Pipelines, and for every served model what keeps it from
    answering.
    """
    from forebay.cluster.backend import ClusterBackend
    from forebay.local.backend import LocalBackend

    backend = command_backend(
        cluster,
        local=lambda: LocalBackend(home=Home.find().open()),
        cluster=lambda: ClusterBackend(timeouts=cluster_timeouts(), context=context, namespace=namespace),
        cluster_options={"--context": context, "--namespace": namespace},
    )
    status = backend.status()
    if as_json:
        click.echo(json.dumps(status.facts, allow_nan=False))
        return ExitCode.WRONG_USE if status.problems else ExitCode.DONE
    if status.run:
        from rich.console import Console

        from forebay.api.render import print_summary

        print_summary(Console(), status.run)
    for line in status.lines:
        click.echo(one_line(line))
    return show_problems(status.problems)
