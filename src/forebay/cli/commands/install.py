"""`forebay up` and `forebay down`: the platform on a Kubernetes cluster."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from forebay.cli.command import command
from forebay.cli.options import Command, NearChoice
from forebay.errors import ConfigError, EndedBySignalError, ForebayError
from forebay.install.charts.sources import OPTIONAL_PIECES
from forebay.install.request import CLUSTER_CHOICES, ClusterChoice, InstallRequest
from forebay.signals import describe_cause, interrupt_status, raise_on_signals
from forebay.state import Home


def cluster_options(command: Command) -> Command:
    """Options that say which cluster, and whether to act."""
    options = (
        click.option(
            "--cluster",
            type=NearChoice(CLUSTER_CHOICES),
            required=True,
            help="kind: a cluster in containers of this machine, made where there is none. current: one that you have.",
        ),
        click.option(
            "--context", metavar="NAME", default="", help="Context of the kubeconfig, in place of the current one."
        ),
        click.option("--yes", is_flag=True, help="Ask nothing."),
        click.option("--dry-run", is_flag=True, help="Print every command in its order, and change nothing."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@command("up")
@cluster_options
@click.option(
    "--manifests",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Your own copy of manifests/, in place of the one that came with the package.",
)
@click.option(
    "--overlay",
    metavar="NAME",
    default="",
    help="Scenario: kind (small requests), cloud-gpu or airgap.",
)
@click.option(
    "--with",
    "optional_pieces",
    multiple=True,
    type=NearChoice(OPTIONAL_PIECES),
    help="An optional piece; repeatable.",
)
@click.option(
    "--without",
    "excluded_pieces",
    multiple=True,
    type=NearChoice(["cert-manager", "kserve-crds", "kserve", "pipelines-crds", "pipelines"]),
    help="A piece that the cluster has already; repeatable.",
)
@click.option(
    "--values",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Values for the chart (helm/forebay/values.yaml lists them); repeatable, the last one wins.",
)
@click.option(
    "--registry",
    metavar="HOST/PATH",
    default="",
    help="With --overlay airgap: where every container image was copied to.",
)
def up_command(
    cluster: ClusterChoice,
    context: str,
    manifests: Path | None,
    yes: bool,
    dry_run: bool,
    overlay: str,
    optional_pieces: tuple[str, ...],
    excluded_pieces: tuple[str, ...],
    values: tuple[Path, ...],
    registry: str,
) -> int:
    """Install the platform on a Kubernetes cluster.

    The command first checks tools, cluster and values, and refuses what cannot work before anything is changed. Then it
    applies cert-manager, KServe, the chart with MLflow and Kubeflow Pipelines, and waits for each. Given again, it
    completes what an earlier try left, or changes nothing. It runs plain kubectl, helm and kind commands, which
    --dry-run prints.

    \b
    forebay up --cluster kind
    forebay up --cluster current --context NAME --values my.yaml --dry-run
    """
    from forebay.install.up import up

    request = InstallRequest(
        cluster=cluster, context=context, overlay=overlay, optional_pieces=optional_pieces,
        excluded_pieces=excluded_pieces, values=values,
        registry=registry, manifests=manifests, dry_run=dry_run,
    )  # fmt: skip
    home = Home.find().open()
    return _until_ctrl_c(
        lambda: up(request, home, _say, _asker(yes)), f"`{request.resume_command()}` completes what is there."
    )


@command("down")
@cluster_options
@click.option(
    "--delete-data", is_flag=True, help="Remove volumes, passwords and namespaces too; for kind the whole cluster."
)
def down_command(cluster: ClusterChoice, context: str, yes: bool, dry_run: bool, delete_data: bool) -> int:
    """Remove the platform from a Kubernetes cluster.

    The command names what it removes and asks first. Volumes, passwords and namespaces stay unless --delete-data is
    given. Served models (InferenceServices) and objects of pipeline runs are removed with their definitions. Namespaces
    that existed before `forebay up` always stay.

    \b
    forebay down --cluster kind
    forebay down --cluster kind --delete-data
    """
    from forebay.install.down import down

    request = InstallRequest(cluster=cluster, context=context, dry_run=dry_run)
    home = Home.find().open()
    return _until_ctrl_c(
        lambda: down(request, home, _say, _asker(yes), delete_data=delete_data),
        f"`forebay down --cluster {cluster}` again goes on.",
    )


def _say(line: str) -> None:
    click.echo(line)


def can_answer() -> bool:
    """Whether a person sits at this command."""
    return sys.stdin.isatty()


def _asker(yes: bool) -> Callable[[str], None]:
    """Asks a question and goes on only after a yes."""

    def confirm(question: str) -> None:
        if yes:
            return
        if not can_answer():
            raise ConfigError(f"{question} Nobody can answer here: add --yes. Nothing was changed.")
        try:
            agreed = click.confirm(question)
        except click.Abort as abort:
            raise _unanswered(abort) from abort
        if not agreed:
            raise ConfigError("You said no. Nothing was changed.")

    return confirm


def _unanswered(abort: click.Abort) -> ForebayError:
    """Ctrl-C, or the end of the input, in place of an answer; click keeps the exception that it was."""
    click.echo(err=True)  # the cursor stands behind the question
    if isinstance(abort.__context__, EOFError):
        return ConfigError("The question was not answered. Nothing was changed.")
    interrupt = abort.__context__ if isinstance(abort.__context__, KeyboardInterrupt) else KeyboardInterrupt()
    status = interrupt_status(interrupt)
    return EndedBySignalError(f"Ended by {describe_cause(status)} at the question. Nothing was changed.", status)


def _until_ctrl_c(act: Callable[[], None], afterwards: str) -> int:
    raise_on_signals()
    try:
        act()
    except KeyboardInterrupt as interrupt:
        click.echo(f"Ended in the middle. {afterwards}", err=True)
        return interrupt_status(interrupt)
    return 0
