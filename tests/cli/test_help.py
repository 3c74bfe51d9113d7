"""`forebay --help` lists every command from a table, which is held equal to the commands themselves."""

import click
import pytest
from click.testing import CliRunner

from forebay.cli.main import COMMANDS, group

WIDTH = 62  # characters that a help of 80 columns leaves to a short help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_of_a_command_is_the_first_sentence_of_its_own(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert command.get_short_help_str(WIDTH) == COMMANDS[name].short_help


def test_help_lists_every_command_in_one_line() -> None:
    lines = CliRunner().invoke(group, ["--help"]).output.splitlines()
    for name, entry in COMMANDS.items():
        assert f"  {name:<10}  {entry.short_help}" in lines
