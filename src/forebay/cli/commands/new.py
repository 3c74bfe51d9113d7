"""`forebay new`: a file to start from."""

from dataclasses import dataclass
from pathlib import Path

import click

from forebay.cli.command import command
from forebay.cli.options import NearChoice, require_writable
from forebay.errors import ConfigError
from forebay.state.file_modes import apply_user_umask
from forebay.text import escape_controls, find_control


@dataclass(frozen=True, kw_only=True)
class StartingFile:
    """What is written for a kind of code."""

    template: str  # its name in `forebay.cli.starting_files`
    name: str  # of the file that is written, and in its text
    attribute: str  # of its class
    option: str  # of `forebay run`, which takes it


STARTING_FILES = {
    "model": StartingFile(template="model.py", name="mynet.py", attribute="MyNet", option="--model"),
    "source": StartingFile(template="source.py", name="mysource.py", attribute="MySource", option="--data"),
}


@command("new")
@click.argument("kind", metavar="KIND", type=NearChoice(list(STARTING_FILES)))
@click.argument("path", metavar="[PATH]", type=click.Path(dir_okay=False, path_type=Path), required=False)
def new_command(kind: str, path: Path | None) -> None:
    """Write a file to start your own code from.

    KIND is model, a network, or source, a class that gives images with labels. The file runs as it is, and its comments
    say what to change. PATH is mynet.py or mysource.py without one given; a file that is there already stays.
    """
    start = STARTING_FILES[kind]
    path = path or Path(start.name)
    if path.suffix != ".py" or ":" in path.name:
        raise ConfigError(f"PATH: {path} does not end in .py. Give the file a name such as {start.name}.")
    if forbidden := find_control(path.name):
        raise ConfigError(f"PATH: {path} holds {forbidden}. Give the file a name such as {start.name}.")
    require_writable(path.absolute().parent, "PATH")
    text = Path(__file__).parents[1].joinpath("starting_files", start.template).read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.replace(start.name, path.name))
    except FileExistsError as error:
        raise ConfigError(f"PATH: {path} is there already, and stays as it is. Give another name.") from error
    except OSError as error:
        raise ConfigError(f"PATH: {path} cannot be written: {error.strerror}. Give another one.") from error
    apply_user_umask(path)
    runs = f"It runs as it is: `forebay run {start.option} {path}:{start.attribute}`."
    click.echo(escape_controls(f"Wrote {path}. {runs}"))
