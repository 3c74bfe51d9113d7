"""`forebay completion`: what a shell needs to complete commands, options and names."""

import click

from forebay.cli.command import command
from forebay.cli.completion import SHELLS
from forebay.cli.options import NearChoice


@command("completion")
@click.argument("shell", type=NearChoice(list(SHELLS)))
def completion_command(shell: str) -> None:
    """Print what your shell needs to complete this command.

    It completes commands, options, keys after --set, networks after --model, registered models and runs. Put the line
    for your shell into its start-up file (~/.bashrc, ~/.zshrc, ~/.config/fish/config.fish).

    \b
    eval "$(forebay completion bash)"
    eval "$(forebay completion zsh)"
    forebay completion fish | source
    """
    program = click.get_current_context().find_root().command
    click.echo(SHELLS[shell](program, {}, "forebay", "_FOREBAY_COMPLETE").source())
