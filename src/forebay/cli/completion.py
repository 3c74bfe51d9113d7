"""What a shell offers to complete: names that are cheap to find. Nothing here may fail, print or take long."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete, add_completion_class

from forebay.settings.environment import MLFLOW_URI
from forebay.state.home import Home

Completer = Callable[[click.Context, click.Parameter, str], list[str]]

BASH_END = "\n    return 0\n"
ZSH_END = "        compadd -U -V unsorted -a completions\n"


class OurBash(BashComplete):
    """Bash writes no space after `train.epochs=`, because the value follows."""

    source_template = BashComplete.source_template.replace(
        BASH_END, f"\n    [[ ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace\n{BASH_END}"
    )


class OurZsh(ZshComplete):
    """Zsh writes no space after `train.epochs=`, because the value follows."""

    source_template = ZshComplete.source_template.replace(
        ZSH_END,
        "        local -a keys; keys=(${(M)completions:#*=}); completions=(${completions:#*=})\n"
        f"        (( $#keys )) && compadd -U -S '' -V unsorted -a keys\n{ZSH_END}",
    )


SHELLS: dict[str, type[ShellComplete]] = {"bash": OurBash, "zsh": OurZsh, "fish": FishComplete}
for _name, _shell in SHELLS.items():
    add_completion_class(_shell, _name)


def setting_keys(*prefixes: str) -> Completer:
    """Completes a key of `--set`, for example `train.epochs=`; its value is for a person to give.

    Args:
        prefixes: the steps whose settings the command takes; none for all.
    """

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from forebay.settings import all_settings

        keys = [setting.key for setting in all_settings()]
        return _starting([f"{key}=" for key in keys if not prefixes or key.partition(".")[0] in prefixes], incomplete)

    return complete


def model_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes a network's name. Without a letter only our own are offered: there are more than a thousand others."""
    from forebay.settings.model_names import OWN_MODELS, list_models

    others = [model.name for model in list_models()] if incomplete else []
    return _starting(dict.fromkeys([*OWN_MODELS, *others]), incomplete)


def registered_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the name of a registered model, where the registry is a file of the state folder."""
    database = Home.find().mlflow_database
    if os.environ.get(MLFLOW_URI) or not database.is_file():
        return []
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_read_only(database.as_uri())) as connection:
        return _starting([row[0] for row in connection.execute("select name from registered_models")], incomplete)
    return []


def run_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Completes the id of a run, the newest first."""
    with contextlib.suppress(OSError):
        return _starting([run.run_id for run in Home.find().list_runs()], incomplete)
    return []


def _read_only(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=0.2)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
