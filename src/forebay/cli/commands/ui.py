"""`forebay ui`: MLflow's user interface on the state folder."""

import contextlib

import click

from forebay.cli.command import command
from forebay.errors import ExitCode
from forebay.signals import describe_cause, interrupt_status, raise_on_signals
from forebay.state import Home


@command("ui")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port of the page.")
def ui_command(port: int) -> int:
    """Open MLflow's user interface on the state folder.

    It shows experiments, curves and model versions. The address is printed as soon as it answers. Ctrl-C ends it, and
    however this command ends, its server ends with it.
    """
    from forebay.local.checks.machine_checks import require_free_port
    from forebay.local.mlflow_ui import HOST, mlflow_server
    from forebay.tracking import schema_revision, tracking_uri

    home = Home.find().open(writing=True)
    require_free_port(HOST, port, "--port")
    if home.mlflow_database.exists():
        schema_revision(home.mlflow_database)  # a damaged one is named; the UI itself would show a traceback
    raise_on_signals()
    try:
        with mlflow_server(home, tracking_uri(home), port) as server:
            _say("Starting MLflow's user interface, which takes some seconds.")
            server.wait_until_it_answers(_say)
            _say(f"MLflow's UI answers at http://{HOST}:{port} until Ctrl-C.")
            raise server.wait_until_it_ends()
    except KeyboardInterrupt as interrupt:
        status = interrupt_status(interrupt)
        with contextlib.suppress(OSError):  # the terminal may be gone
            _say(f"Ended by {describe_cause(status)}, and its server too.")
        return ExitCode.DONE if status == ExitCode.INTERRUPTED else status


def _say(text: str) -> None:
    click.echo(text, err=True)
