"""Options that several commands share."""

import functools
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forebay.api.run_settings import parse_words
from forebay.cli.completion import model_names, registered_names, setting_keys
from forebay.errors import ConfigError
from forebay.settings.field import StepConfig
from forebay.settings.keys import Scalar
from forebay.text import find_control

if TYPE_CHECKING:
    from forebay.cluster.timeouts import ClusterTimeouts

Command = Callable[..., Any]


def as_one_argument(group: type[Any], name: str, *options: Command) -> Command:
    """A decorator that adds options to a command and hands their values over as one object.

    Args:
        group: a dataclass with a field for each option.
        name: the argument of the command that receives the object.
        options: decorators of click.
    """
    keys = [field.name for field in fields(group)]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_group(**values: Any) -> Any:
            grouped = group(**{key: values.pop(key) for key in keys})
            return command(**values, **{name: grouped})

        for option in reversed(options):
            with_group = option(with_group)
        return with_group

    return decorate


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of a run as a person gave them."""

    model: str | None
    name: str | None
    seed: int | None
    assignments: tuple[str, ...]
    fresh: bool  # forget cached results and checkpoints

    def parse(self, *more: type[StepConfig], **short: object) -> dict[str, Scalar]:
        """The checked settings by key, from `--set` and the short options.

        Args:
            more: objects whose settings are taken besides those of the steps.
            short: values of further short options; `train_gpus` stands for `train.gpus`, None for one not given.

        Raises:
            ConfigError: a key is unknown, a value breaks its rule, or a file of the user's cannot be read.
        """
        given = {**short, "train_model": self.model, "evaluate_name": self.name, "train_seed": self.seed}
        words = [f"{key.replace('_', '.', 1)}={value}" for key, value in given.items() if value is not None]
        return parse_words([*words, *self.assignments], *more)


def set_option(*steps: str, meaning: str = "Change a setting; repeatable.") -> Callable[[Command], Command]:
    """`--set KEY=VALUE`, which completes the keys of some steps; without any, all keys."""
    return click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        shell_complete=setting_keys(*steps),
        help=meaning,
    )


setting_options = as_one_argument(
    RunSettings,
    "settings",
    click.option(
        "--model",
        metavar="NAME",
        shell_complete=model_names,
        help="Short for --set train.model=NAME: mlp, resnet9, timm/convnext_tiny (`forebay models` lists them), or "
        "net.py:Net of your own.",
    ),
    click.option(
        "--name",
        metavar="NAME",
        shell_complete=registered_names,
        help="Short for --set evaluate.name=NAME: the registered model's name.",
    ),
    click.option("--seed", type=int, help="Short for --set train.seed=INTEGER."),
    set_option(),
    click.option("--fresh", is_flag=True, help="Compute everything again: forget cached results and checkpoints."),
)
"""Settings of a run: a short option for those that are given most, and `--set` for every one."""


def one_line_text(_: click.Context, __: click.Parameter, value: str) -> str:
    """Callback of an option for a name, which holds no line breaks or other control characters."""
    forbidden = find_control(value)
    if forbidden:
        raise click.BadParameter(f"{value!r} holds {forbidden}; give text of one line.")
    return value


def json_option(command: Command) -> Command:
    """`--json`: one object on standard output, everything else on standard error."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    return option(command)


def cluster_option(command: Command) -> Command:
    """`--cluster` and `--context`: a Kubernetes cluster instead of this machine."""
    options = (
        click.option("--cluster", is_flag=True, help="On a Kubernetes cluster instead of this machine."),
        click.option("--context", metavar="NAME", default="", help="With --cluster: context of the kubeconfig."),
    )
    for option in reversed(options):
        command = option(command)
    return command


class NearChoice(click.Choice[str]):
    """A choice that names the nearest word for one that it does not have."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """As click has it, with what was probably meant."""
        import difflib

        near = difflib.get_close_matches(str(value), self.choices, n=1)
        words = super().get_invalid_choice_message(value, ctx)
        return f"{words} Did you mean {near[0]!r}?" if near else words


def require_writable(folder: Path, option: str) -> None:
    """Check that a folder is there and that files can be written into it. A command makes no folder for a result, for a
    name that was mistyped would become one.

    Raises:
        ConfigError: it is not there, or cannot be written; the message names the option.
    """
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        problem = None if existing.is_dir() else f"{existing} is not a folder"
    except OSError as error:
        existing, problem = folder, f"{folder} cannot be read: {error.strerror}"
    if problem is None and existing != folder:
        make = f"`mkdir -p {shlex.quote(str(folder))}` makes it"
        raise ConfigError(f"{option}: there is no folder {folder}. {make}; or correct the name.")
    if problem is None and not os.access(existing, os.W_OK | os.X_OK):
        problem = f"you may not write in {existing}"
    if problem:
        raise ConfigError(f"{option}: {problem}. Give a folder that you can write.")


def require_result_folder(folder: Path, option: str) -> None:
    """Check a folder that a command fills, and makes where only it is missing; nothing is created.

    Raises:
        ConfigError: as `require_writable`, for the folder or the one above it.
    """
    folder = folder.absolute()
    require_writable(folder if folder.exists() else folder.parent, option)


def cluster_timeouts() -> "ClusterTimeouts":
    """How long the command waits for a cluster: the defaults, unless its caller handed others in as click's `obj`."""
    from forebay.cluster.timeouts import ClusterTimeouts

    return click.get_current_context().find_object(ClusterTimeouts) or ClusterTimeouts()
