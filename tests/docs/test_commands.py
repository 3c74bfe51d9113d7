"""Every command of the README and of the pages runs as it is written, or is one that the programs take."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

from forebay.cli.main import COMMANDS as COMMAND_ENTRIES
from forebay.cli.main import group
from support.forebay_command import Forebay, ForebayHere
from support.made_once import home_with
from support.markdown_pages import ALL, DOCS, PAGES, ROOT, Page
from support.small_images import draw, write_folder

PARSED_ONLY = {
    "make images": "needs a container engine; tests/live/container_images runs what it builds",
    "forebay run --runner docker": "needs those container images; tests/live/container_images/test_run.py runs it",
    "forebay ui": "serves until Ctrl-C; tests/e2e starts and ends it",
}
STANDS_FOR = {"N": "1", "STEP": "train", "COMMAND": "run", "RUN_ID": "20261121-152027-908118", "NAME/3": "digits/3"}
FILES = ("digit.png", "my.yaml", "training.yaml", "platform.tar")  # which commands that are only parsed want to exist
FOLDERS = ("platform.manifests", "DIR", "FOLDER")
BEGIN, END = "<!-- commands: made of src/forebay/cli/main.py by `make golden` -->", "<!-- end of commands -->"
COMMANDS = group.list_commands(click.Context(group))


def _shown(language: str) -> list[str]:
    """The commands of all pages in the order of reading, each once."""
    return list(dict.fromkeys(line for page in PAGES for line in page.commands(language)))


RUN = [line for line in _shown("sh") if line not in PARSED_ONLY]
PARSED = [line for page in ALL for line in (*page.commands("console"), *page.inline)]


def _without_variables(line: str) -> str:
    return re.sub(r"^(?:[A-Z_]+=\S* )+", "", line)


def _start(program: str) -> list[str]:
    """What is parsed of a program, each once."""
    lines = dict.fromkeys(map(_without_variables, PARSED))
    return sorted(line for line in lines if re.match(rf"{program} [a-z]", line))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[Forebay]:
    cli = Forebay(tmp_path_factory.mktemp("pages"))
    home_with(mlflow_template, cli.home)
    write_folder(cli.folder / "photos", per_class=40)
    Image.fromarray(draw("ring", 77, 40, 40)).save(cli.folder / "image.png")
    cli("run", "--data", "photos/", "--model", "mlp", "--set", "train.epochs=12")  # a champion to roll back to
    yield cli
    ForebayHere(cli.folder, cli.environment)("stop")


@pytest.mark.parametrize("line", RUN)
def test_a_command_that_the_pages_show_works_as_written(shell: Forebay, line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "forebay"
    shell(*words)


@pytest.mark.parametrize("line", PARSED_ONLY)
def test_a_command_that_is_not_run_here_exists(line: str) -> None:
    assert line in _shown("sh"), "no longer on any page: take it off the list"
    _exists(line)


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that commands name."""
    for name in FILES:
        (tmp_path / name).touch()
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize("line", _start("forebay"))
def test_a_command_of_ours_anywhere_is_one_that_the_command_line_takes(line: str) -> None:
    _exists(line)


@pytest.mark.parametrize("line", _start("make"))
def test_a_target_anywhere_is_one_of_the_makefile(line: str) -> None:
    _exists(line)


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_what_a_page_gives_to_a_shell_is_what_a_shell_takes(page: Page) -> None:
    for block in (*page.blocks("sh"), *page.blocks("console")):
        subprocess.run(["bash", "-n", "-c", block], check=True)


def test_every_command_stands_in_the_readme() -> None:
    assert [name for name in COMMANDS if f"forebay {name}" not in PAGES[0].text] == []


def test_the_table_of_commands_is_that_of_the_help() -> None:
    path = DOCS / "operations.md"
    text = path.read_text()
    rows = "".join(f"| `forebay {name}` | {entry.short_help} |\n" for name, entry in COMMAND_ENTRIES.items())
    made = f"{BEGIN}\n\n| command | does |\n| --- | --- |\n{rows}\n{END}"
    wanted = re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.DOTALL)
    if os.environ.get("FOREBAY_GOLDEN") == "write":
        path.write_text(wanted)
    assert path.read_text() == wanted, "make golden writes it anew"


def test_the_commands_that_take_json_are_those_of_the_page() -> None:
    page = next(page for page in PAGES if page.path.name == "operations.md").text
    [listed] = re.findall(r"^((?:`[a-z]+`(?:, | and |\s)+)+)take `--json`", page, re.MULTILINE)
    contexts = ((name, group.get_command(click.Context(group), name)) for name in COMMANDS)
    taking = {name for name, command in contexts if command and any("--json" in each.opts for each in command.params)}
    assert set(re.findall(r"`([a-z]+)`", listed)) == taking


def _exists(line: str) -> None:
    program, word, *options = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        return
    command = group.get_command(click.Context(group), STANDS_FOR.get(word, word))
    assert command is not None, line
    words = [STANDS_FOR.get(each, each) for each in options if each != "…"]  # which stands for other options
    try:
        command.make_context(word, list(words))  # runs nothing
    except click.MissingParameter:  # a sentence that is about one option leaves others out; what it has must exist
        command.make_context(word, list(words), resilient_parsing=True)
