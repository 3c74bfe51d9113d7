"""`forebay tune`: search for better settings of the training, then run the pipeline with the best ones."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.backend.summary import Summary
from forebay.cli.command import command
from forebay.cli.options import RunSettings, json_option, setting_options
from forebay.cli.server_options import address_options, make_server_options
from forebay.errors import ExitCode
from forebay.state import Home

if TYPE_CHECKING:
    from forebay.local.backend import LocalBackend
    from forebay.local.tuning.run_search import TuneRequest
    from forebay.tuning.result import SearchResult


@command("tune")
@click.option("--data", metavar="PATH_OR_URI", help="As in `forebay run`.")
@click.option(
    "--trials", type=int, default=20, show_default=True, help="Trainings to try in all, those of earlier searches too."
)
@click.option(
    "--minutes", type=float, default=30.0, show_default=True, help="Time for this search; the last run is on top."
)
@click.option(
    "--space",
    "space_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML with the settings to search; without it, those that matter most for the data.",
)
@setting_options
@click.option("--wait", is_flag=True, help="When another run uses this state folder, wait for it instead of refusing.")
@address_options
@json_option
def tune_command(
    data: str | None,
    trials: int,
    minutes: float,
    space_file: Path | None,
    settings: RunSettings,
    wait: bool,
    host: str,
    port: int,
    as_json: bool,
) -> int:
    """Search for better settings, then run with the best ones.

    Trials are judged by the validation rows alone; the held-out rows judge the best one, once, as in any run. The
    first trial has the default settings. A search that was ended or killed goes on when the same command is given
    again. Needs Optuna: pip install 'forebay[tune]'.
    """
    from forebay.local.backend import LocalBackend
    from forebay.local.tuning.run_search import TuneRequest, check_request
    from forebay.tuning.space import read_space

    values = settings.parse(ingest_data=data)
    space = read_space(space_file) if space_file else None
    request = TuneRequest(settings=values, space=space, trials=trials, minutes=minutes, fresh=settings.fresh, wait=wait)
    check_request(request)
    home = Home.find().open(writing=True)
    backend = LocalBackend(home=home, server_options=make_server_options(home, host, port, "process", values))
    result, summary = _search_and_run(backend, request, as_json=as_json)
    if as_json:
        click.echo(json.dumps({**summary, "tuning": result.as_dict()}, allow_nan=False))
    return 0 if summary["state"] == "done" else ExitCode.GATE_REFUSED


def _search_and_run(
    backend: "LocalBackend", request: "TuneRequest", *, as_json: bool
) -> "tuple[SearchResult, Summary]":
    """Search, show what was found, run the pipeline with the best settings, and show that."""
    from rich.console import Console

    from forebay.api.render import RunView, print_summary
    from forebay.backend.protocol import RunRequest
    from forebay.cli.output_redirection import redirect_output_to
    from forebay.cli.tune_view import TuneView, print_search
    from forebay.local.tuning.run_search import run_search
    from forebay.signals import before_forced_exit, raise_on_signals

    raise_on_signals()
    backend.check_before_run(request.settings)
    with (
        redirect_output_to(backend.home.command_log) as screen,
        TuneView(Console(file=screen)) as view,
        before_forced_exit(lambda *_: view.__exit__()),
    ):
        result = run_search(backend.home, request, view.show)
    console = Console(stderr=as_json)
    print_search(console, result)
    console.print("\nThe pipeline runs with the best settings; its training is done already.", highlight=False)
    best = RunRequest(settings={**request.settings, **result.best.settings}, wait=True)
    with RunView(Console(stderr=True)) as run_view:
        summary = backend.run(best, run_view.show)
    if not as_json:
        print_summary(console, summary)
    return result, summary
