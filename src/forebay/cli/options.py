"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from forebay.errors import ConfigError

Command = Callable[..., Any]


def json_option(command: Command) -> Command:
    """`--json`: one object on standard output, everything else on standard error."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    return option(command)


def require_writable(folder: Path, option: str) -> None:
    """Find out whether files can be written into a folder that need not exist yet; nothing is made.

    Raises:
        ConfigError: it cannot be made or written; the message names the option.
    """
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        problem = None if existing.is_dir() else f"{existing} is not a folder"
    except OSError as error:
        existing, problem = folder, f"{folder} cannot be looked at: {error.strerror}"
    if problem is None and not os.access(existing, os.W_OK | os.X_OK):
        problem = f"you may not write in {existing}"
    if problem:
        raise ConfigError(f"{option}: {problem}. Give a folder that you can write.")
