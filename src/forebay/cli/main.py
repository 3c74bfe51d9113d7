"""The command group. It imports the module of one command only, because heavy libraries cost seconds."""

import importlib
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from forebay.cli import NOTHING_DONE
from forebay.errors import ExitCode
from forebay.version import VERSION


@dataclass(frozen=True)
class CommandEntry:
    """A command as `forebay --help` lists it, without importing it."""

    module: str  # module of `forebay.cli.commands`
    short_help: str  # the first sentence of the command's own help; a test holds the two equal


COMMANDS = {
    "run": CommandEntry("run", "Run the whole pipeline on this machine."),
    "tune": CommandEntry("tune", "Search for better settings, then run with the best ones."),
    "new": CommandEntry("new", "Write a file to start your own code from."),
    "compile": CommandEntry("compile", "Write the compiled pipeline, ready to upload to Kubeflow."),
    "submit": CommandEntry("submit", "Run the pipeline on a Kubeflow Pipelines cluster."),
    "ingest": CommandEntry("steps", "Read images into a folder of Parquet tables."),
    "train": CommandEntry("steps", "Fit a model on what `forebay ingest` wrote."),
    "evaluate": CommandEntry("steps", "Measure a model on held-out rows and let the gate judge it."),
    "ensemble": CommandEntry("ensemble", "Make one model of registered versions, and serve it."),
    "models": CommandEntry("models", "List the networks that train.model may name."),
    "serve": CommandEntry("serve", "Serve models on this machine."),
    "predict": CommandEntry("predict", "Send an image to a served model and show its answer."),
    "status": CommandEntry("status", "Show the newest run and the served models."),
    "runs": CommandEntry("runs", "List every run, newest first."),
    "logs": CommandEntry("runs", "Print what a step wrote."),
    "quarantine": CommandEntry("quarantine", "List the images that ingest did not take, with reasons."),
    "report": CommandEntry("runs", "Print the path of the HTML report."),
    "rollback": CommandEntry("rollback", "Serve the version that was champion before."),
    "weights": CommandEntry("weights", "Fetch pretrained weights, and list those that are here."),
    "ui": CommandEntry("ui", "Open MLflow's user interface on the state folder."),
    "stop": CommandEntry("serve", "End the server; requests in flight are answered first."),
    "prune": CommandEntry("prune", "Remove what old runs left and nothing needs any more."),
    "doctor": CommandEntry("doctor", "Check this machine or a cluster, and say what to mend."),
    "up": CommandEntry("install", "Install the platform on a Kubernetes cluster."),
    "down": CommandEntry("install", "Remove the platform from a Kubernetes cluster."),
    "completion": CommandEntry("completion", "Print what your shell needs to complete this command."),
    "bundle": CommandEntry("bundle", "Carry the platform's container images behind an air gap."),
}  # in the order that `--help` shows


class LazyGroup(click.Group):
    """A group that imports the module of a command only when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands in the order of use."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for `--help` without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.short_help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete the names of commands without importing them, and options."""
        named = [(name, entry.short_help) for name, entry in COMMANDS.items() if name.startswith(incomplete)]
        return [CompletionItem(name, help=text) for name, text in named] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a word; a word that is none is refused with the nearest ones."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=list(COMMANDS), ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; Ctrl-C while its module is still being imported ends as it does later."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(NOTHING_DONE, err=True)
            ctx.exit(ExitCode.INTERRUPTED)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module that defines the command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"forebay.cli.commands.{entry.module}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command


@click.group(
    cls=LazyGroup,
    subcommand_metavar="COMMAND [ARG ...]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog='Completion of your shell: eval "$(forebay completion bash)", or zsh, or fish. '
    "State lies in .forebay/, or where FOREBAY_HOME says. "
    f"Exit codes: {ExitCode.DONE:d} done; {ExitCode.FAILED:d} failed after the first step began; "
    f"{ExitCode.WRONG_USE:d} wrong use, found before it; {ExitCode.GATE_REFUSED:d} the gate said no; "
    f"{ExitCode.INTERRUPTED:d} Ctrl-C ({ExitCode.TERMINATED:d} SIGTERM).",
)
@click.version_option(VERSION, prog_name="forebay")
def group() -> None:
    """Raw images in, a served image classifier out: one compiled Kubeflow pipeline, here and on a cluster.

    Start with `forebay run`: it needs no settings. `forebay run --data FOLDER` takes your own images.
    `forebay up` installs the platform on a Kubernetes cluster, and `forebay submit` runs the same pipeline there.
    """
