"""Every command of the README runs, in the README's order, in one state folder."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

from forebay.cli.main import group
from support.forebay_command import Forebay
from support.made_once import home_with
from support.paths import ROOT
from support.small_images import draw, write_folder

README = (ROOT / "README.md").read_text()
PARSED_ONLY = {
    "make run": "sets a whole environment up; the fresh-machine check runs it",
    "make test": "is what runs this test",
    "make images": "needs a container engine; tests/live/container_images runs what it builds",
    "forebay run --runner docker": "needs those images; tests/live/container_images/test_run.py runs it",
    "forebay ui": "serves until Ctrl-C; tests/e2e starts and ends it",
}


def _commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[Forebay]:
    cli = Forebay(tmp_path_factory.mktemp("readme"))
    home_with(mlflow_template, cli.home)
    write_folder(cli.folder / "photos", per_class=40)
    Image.fromarray(draw("ring", 77, 40, 40)).save(cli.folder / "image.png")
    cli("run", "--data", "photos/", "--model", "mlp", "--set", "train.epochs=12")  # a champion to roll back to
    yield cli
    cli("stop")


@pytest.mark.parametrize("line", [line for line in _commands() if line not in PARSED_ONLY])
def test_a_command_of_the_readme_works_as_written(shell: Forebay, line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "forebay"
    shell(*words)


@pytest.mark.parametrize("line", PARSED_ONLY)
def test_a_command_that_is_not_run_here_exists(line: str) -> None:
    assert line in _commands(), "no longer in the README: take it off the list"
    program, word, *options = shlex.split(line)
    if program == "make":
        subprocess.run(["make", "--dry-run", word], cwd=ROOT, check=True, capture_output=True)
    else:
        _parse(word, options)


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`(forebay [a-z][^`]*)`", README))))
def test_a_command_inside_a_sentence_is_one_that_the_command_line_takes(line: str) -> None:
    _, word, *options = shlex.split(line.replace("STEP", "train"))
    _parse(word, options)


def _parse(word: str, options: list[str]) -> None:
    command = group.get_command(click.Context(group), word)
    assert command is not None
    command.make_context(word, options)  # runs nothing


def test_every_link_and_folder_of_the_readme_exists() -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    tree = README.split("## What lies where")[1].split("```")[1]
    for name in re.findall(r"^\s*((?:[\w/]+/\s)+)", tree, re.MULTILINE):
        for folder in name.split():
            assert any((base / folder).is_dir() for base in (ROOT, ROOT / "src/forebay", ROOT / "pipelines")), folder


def test_every_command_stands_in_the_readme() -> None:
    missing = [name for name in group.list_commands(click.Context(group)) if f"forebay {name}" not in README]
    assert missing == []
