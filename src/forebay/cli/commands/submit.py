"""`forebay submit`: the pipeline on a Kubeflow Pipelines cluster."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from forebay.api.pipelines_address import PipelinesAddress, SubmittedRun
from forebay.backend.compiled_file import PIPELINES as COMPILED
from forebay.backend.compiled_file import compiled_pipeline
from forebay.cli.command import command
from forebay.cli.options import (
    RunSettings,
    as_one_argument,
    cluster_timeouts,
    json_option,
    one_line_text,
    setting_options,
)
from forebay.errors import ConfigError, ExitCode
from forebay.settings import BatchConfig
from forebay.settings.environment import KFP_CA_VARIABLE, KFP_HOST_VARIABLES, KFP_NAMESPACE_VARIABLE
from forebay.settings.namespaces import PIPELINES
from forebay.signals import interrupt_status, raise_on_signals

if TYPE_CHECKING:
    from forebay.cluster.backend import ClusterBackend
    from forebay.cluster.runs.run import StartedRun

OnInterrupt = Literal["ask", "leave", "terminate"]


def _compiled_file(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """The file of a pipeline that came with the package, where one is named and no file has that name."""
    return compiled_pipeline(str(value)) if str(value) in COMPILED and value and not value.exists() else value


address_options = as_one_argument(
    PipelinesAddress,
    "address",
    click.option(
        "--host",
        metavar="URL",
        default="",
        envvar=list(KFP_HOST_VARIABLES),
        help="Address of Kubeflow Pipelines (FOREBAY_KFP_HOST); without it, the kubeconfig leads there.",
    ),
    click.option(
        "--namespace",
        metavar="NAME",
        default=PIPELINES,
        show_default=True,
        envvar=KFP_NAMESPACE_VARIABLE,
        show_envvar=True,
        help="Namespace of Kubeflow Pipelines, or your own where it has many users.",
    ),
    click.option(
        "--context", metavar="NAME", default="", help="Context of the kubeconfig, in place of the current one."
    ),
    click.option(
        "--ca",
        metavar="FILE",
        default="",
        envvar=KFP_CA_VARIABLE,
        show_envvar=True,
        help="Certificates (PEM) to trust, where the server's is not signed by a public authority.",
    ),
)

run_options = as_one_argument(
    SubmittedRun,
    "submitted",
    click.option(
        "--pipeline",
        metavar="NAME|FILE",
        type=click.Path(path_type=Path),
        callback=_compiled_file,
        help="tuning, batch, or a file of `forebay compile`, in place of the training that came with the package.",
    ),
    click.option(
        "--experiment",
        metavar="NAME",
        default="forebay",
        show_default=True,
        callback=one_line_text,
        help="Experiment of the run.",
    ),
    click.option(
        "--run-name",
        metavar="NAME",
        default="",
        callback=one_line_text,
        help="Name of the run; without it, pipeline, revision and time.",
    ),
)


@command("submit")
@address_options
@run_options
@click.option(
    "--data", metavar="URI", help="Short for --set ingest.data=URI: s3://BUCKET/PREFIX, digits, or FILE.py:NAME."
)
@click.option("--gpus", metavar="N", help="Short for --set train.gpus=N: GPUs of the train step's pod.")
@setting_options
@click.option("--no-wait", is_flag=True, help="Start the run, and do not follow it.")
@click.option("--follow", "run_id", metavar="RUN_ID", default="", help="Follow a run that was submitted before.")
@click.option(
    "--on-interrupt",
    type=click.Choice(["ask", "leave", "terminate"]),
    default="ask",
    show_default=True,
    help="What Ctrl-C (or the end of a CI job) does to the run; without a terminal ask is leave.",
)
@json_option
def submit_command(
    address: PipelinesAddress,
    submitted: SubmittedRun,
    data: str | None,
    gpus: str | None,
    settings: RunSettings,
    no_wait: bool,
    run_id: str,
    on_interrupt: OnInterrupt,
    as_json: bool,
) -> int:
    """Run the pipeline on a Kubeflow Pipelines cluster.

    The run is followed to its end. The compiled file is uploaded as a pipeline version named by the git revision. The
    token is taken from FOREBAY_KFP_TOKEN, or from the file that FOREBAY_KFP_TOKEN_FILE names.

    \b
    forebay submit                                  through the kubeconfig, on the default data
    forebay submit --pipeline batch --data s3://bucket/new --set batch.model=digits@champion
    forebay submit --host https://kfp.example.com --data s3://bucket/images --gpus 1
    """
    values = settings.parse(BatchConfig, ingest_data=data, train_gpus=gpus)
    if run_id and (values or submitted.pipeline or no_wait):
        raise ConfigError("--follow looks at a run that is there already: give no settings, --pipeline or --no-wait.")
    from forebay.api.cluster_run import connect, start_or_find
    from forebay.backend.protocol import RunRequest

    raise_on_signals()
    backend = connect(address, submitted, cluster_timeouts())
    started = start_or_find(backend, RunRequest(settings=values, fresh=settings.fresh), run_id, _warn)
    click.echo(f"Run {started.run_id}: {started.url or _way_to_ui(address.namespace, started.run_id)}", err=True)
    if no_wait:
        return _print_started(started, as_json=as_json)
    return _follow(backend, started, on_interrupt, as_json=as_json)


def _print_started(started: "StartedRun", *, as_json: bool) -> ExitCode:
    if as_json:
        click.echo(json.dumps({"run_id": started.run_id, "state": "submitted", "run_url": started.url}))
    click.echo(f"`forebay submit --follow {started.run_id}` follows it.", err=True)
    return ExitCode.DONE


def _follow(backend: "ClusterBackend", started: "StartedRun", on_interrupt: OnInterrupt, *, as_json: bool) -> int:
    from rich.console import Console

    from forebay.api.cluster_run import follow_shown
    from forebay.api.render import RunView, print_summary
    from forebay.backend.summary import StepFailedError

    again = f"`forebay submit --follow {started.run_id}`"
    try:
        summary = follow_shown(backend, started, RunView(Console(stderr=True)), again)
    except KeyboardInterrupt as interrupt:
        _on_interrupt(backend, started.run_id, on_interrupt, again)
        return interrupt_status(interrupt)
    except StepFailedError as error:
        for line in error.log:
            click.echo(line, err=True)
        raise
    if as_json:
        click.echo(json.dumps(summary, allow_nan=False))
    else:
        print_summary(Console(), summary)
    return 0 if summary["state"] == "done" else ExitCode.GATE_REFUSED


def _on_interrupt(backend: "ClusterBackend", run_id: str, on_interrupt: OnInterrupt, again: str) -> None:
    if on_interrupt == "ask" and sys.stdin.isatty():
        question = "\nThe run goes on in the cluster. Leave it (l) or terminate it (t)?"
        try:
            answer = click.prompt(question, type=click.Choice(["l", "t"]), default="l", err=True)
        except (click.Abort, KeyboardInterrupt):  # a second Ctrl-C
            answer = "l"
        on_interrupt = "terminate" if answer == "t" else "leave"
    if on_interrupt == "terminate":
        backend.pipelines.terminate(run_id)
        click.echo(f"Run {run_id} is being terminated; what its steps have done stays cached.", err=True)
    else:
        click.echo(f"Run {run_id} goes on. {again} follows it.", err=True)


def _way_to_ui(namespace: str, run_id: str) -> str:
    return (
        f"http://127.0.0.1:8080/#/runs/details/{run_id} after "
        f"`kubectl --namespace {namespace} port-forward service/ml-pipeline-ui 8080:80`"
    )


def _warn(event: dict[str, str]) -> None:
    click.echo(event["text"], err=True)
