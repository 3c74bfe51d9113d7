"""The command group: imports one command's module at a time, because the heavy libraries cost seconds."""

import importlib
from typing import Any

import click

from forebay.errors import ExitCode
from forebay.version import VERSION

COMMANDS = {
    "run": "forebay.cli.commands.run",
    "compile": "forebay.cli.commands.run",
    "submit": "forebay.cli.commands.submit",
    "ingest": "forebay.cli.commands.steps",
    "train": "forebay.cli.commands.steps",
    "evaluate": "forebay.cli.commands.steps",
    "serve": "forebay.cli.commands.serving",
    "predict": "forebay.cli.commands.serving",
    "status": "forebay.cli.commands.look",
    "runs": "forebay.cli.commands.look",
    "logs": "forebay.cli.commands.look",
    "quarantine": "forebay.cli.commands.quarantine",
    "report": "forebay.cli.commands.look",
    "rollback": "forebay.cli.commands.serving",
    "ui": "forebay.cli.commands.look",
    "stop": "forebay.cli.commands.serving",
    "prune": "forebay.cli.commands.upkeep",
    "doctor": "forebay.cli.commands.upkeep",
    "up": "forebay.cli.commands.cluster",
    "down": "forebay.cli.commands.cluster",
    "bundle": "forebay.cli.commands.bundle",
}  # in the order that `--help` shows


class LazyGroup(click.Group):
    """A group that knows the names of its commands and imports a command's module on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use."""
        return list(COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; Ctrl-C while its module is still being imported ends as it does later."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Ended by Ctrl-C before anything was done.", err=True)
            ctx.exit(ExitCode.INTERRUPTED)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that defines the command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="State lies in .forebay/, or where FOREBAY_HOME says. "
    "Exit codes: 0 done; 1 failed after the first step began; "
    "2 wrong use, found before it; 3 the gate said no; 130 Ctrl-C (143 SIGTERM).",
)
@click.version_option(VERSION, prog_name="forebay")
def group() -> None:
    """Raw images in, a served image classifier out: one compiled Kubeflow pipeline, here and on a cluster.

    Start with `forebay run`: it needs no settings. `forebay run --data FOLDER` takes your own images.
    `forebay up` installs the platform on a Kubernetes cluster, and `forebay submit` runs the same pipeline there.
    """
