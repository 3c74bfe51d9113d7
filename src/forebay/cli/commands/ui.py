"""`forebay ui`: MLflow's user interface on the state folder."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click

from forebay.cli.command import command
from forebay.settings.environment import MLFLOW_NO_TELEMETRY
from forebay.state import Home


@command("ui")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui_command(port: int) -> int:
    """Open MLflow's user interface on the state folder.

    It shows experiments, curves and model versions. Ctrl-C ends it.
    """
    from forebay.local.checks.machine_checks import require_free_port
    from forebay.tracking import schema_revision, tracking_uri

    home = Home.find().open()
    require_free_port("127.0.0.1", port, "--port")
    if home.mlflow_database.exists():
        schema_revision(home.mlflow_database)  # a damaged one is named; the UI itself would show a traceback
    click.echo(f"MLflow's UI answers at http://127.0.0.1:{port} until Ctrl-C.", err=True)
    words = ["server", "--artifacts-destination", str(home.mlflow_artifacts)]
    command_line = [
        sys.executable,
        "-P",
        "-m",
        "mlflow",
        *words,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    # The URI may carry a password, and everybody on a machine sees command lines.
    variables = {"MLFLOW_BACKEND_STORE_URI": _absolute(tracking_uri(home)), MLFLOW_NO_TELEMETRY: "true"}
    # Its web server looks for modules in the folder where it starts, which is never the user's.
    server = subprocess.Popen(command_line, env={**os.environ, **variables}, cwd=home.root)  # noqa: S603
    try:
        return server.wait()
    except KeyboardInterrupt:
        _end_tree(server.pid)
        return 0


def _absolute(uri: str) -> str:
    """The address of a store; a sqlite file that it names from here is named in full."""
    file = re.fullmatch(r"sqlite:///([^/:?][^?]*)(.*)", uri)
    return f"sqlite:///{Path(file[1]).absolute()}{file[2]}" if file else uri


def _end_tree(pid: int) -> None:
    """End a process and what it started: MLflow's server leaves its workers behind when only it is told."""
    import psutil

    try:
        parent = psutil.Process(pid)
        tree = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(tree, timeout=10)[1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
