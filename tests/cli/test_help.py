"""`forebay --help` lists every command from a table, which is held equal to the commands themselves."""

import re

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


@pytest.mark.parametrize("width", [60, 80, 110])
@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_no_line_of_a_help_ends_in_an_ellipsis(name: str | None, width: int) -> None:
    words = [name] if name else []
    answer = CliRunner().invoke(group, [*words, "--help"], terminal_width=width)
    assert answer.exit_code == 0
    assert [line for line in answer.output.splitlines() if line.rstrip().endswith(("…", "..."))] == []


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["rnu"], "run"),
        (["predcit", "x.png"], "predict"),
        (["--verson"], "--version"),
        (["run", "--dta", "x"], "--data"),
        (["weights", "fecth", "x"], "fetch"),
        (["bundle", "lst"], "list"),
        (["logs", "trian"], "train"),
        (["new", "modle"], "model"),
        (["completion", "bahs"], "bash"),
        (["up", "--cluster", "kidn"], "kind"),
        (["run", "--runner", "dokcer"], "docker"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_word_that_was_mistyped_is_refused_with_the_one_that_was_meant(words: list[str], meant: str) -> None:
    answer = CliRunner().invoke(group, words, prog_name="forebay")
    assert answer.exit_code == 2
    assert re.search(rf"Did you mean.* '{meant}'", answer.stderr), answer.stderr


@pytest.mark.usefixtures("home")
def test_a_setting_that_was_mistyped_is_refused_with_the_one_that_was_meant() -> None:
    assert "Did you mean train.epochs?" in CliRunner().invoke(group, ["run", "--set", "train.epcohs=3"]).stderr


def test_help_lists_every_command_in_one_line() -> None:
    lines = CliRunner().invoke(group, ["--help"]).output.splitlines()
    for name, entry in COMMANDS.items():
        assert f"  {name:<10}  {entry.short_help}" in lines
