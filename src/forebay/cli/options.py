"""Options that several commands share."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forebay.api.run_settings import parse_words
from forebay.errors import ConfigError
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

    def parse(self, **short: object) -> dict[str, Scalar]:
        """The checked settings by key, from `--set` and the short options.

        Args:
            short: values of further short options; `train_gpus` stands for `train.gpus`, None for one not given.

        Raises:
            ConfigError: a key is unknown, a value breaks its rule, or a file of the user's cannot be read.
        """
        given = {**short, "train_model": self.model, "evaluate_name": self.name, "train_seed": self.seed}
        words = [f"{key.replace('_', '.', 1)}={value}" for key, value in given.items() if value is not None]
        return parse_words([*words, *self.assignments])


setting_options = as_one_argument(
    RunSettings,
    "settings",
    click.option(
        "--model",
        metavar="NAME",
        help="Short for --set train.model=…: mlp, resnet9, resnet18, timm/convnext_tiny, …, or net.py:Net of your own.",
    ),
    click.option("--name", metavar="NAME", help="Short for --set evaluate.name=…: the registered model's name."),
    click.option("--seed", type=int, help="Short for --set train.seed=…"),
    click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Change a setting; repeatable."),
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


def require_writable(folder: Path, option: str) -> None:
    """Check that files can be written into a folder, which need not exist yet; nothing is created.

    Raises:
        ConfigError: it cannot be created or written; the message names the option.
    """
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        problem = None if existing.is_dir() else f"{existing} is not a folder"
    except OSError as error:
        existing, problem = folder, f"{folder} cannot be read: {error.strerror}"
    if problem is None and not os.access(existing, os.W_OK | os.X_OK):
        problem = f"you may not write in {existing}"
    if problem:
        raise ConfigError(f"{option}: {problem}. Give a folder that you can write.")


def cluster_timeouts() -> "ClusterTimeouts":
    """How long the command waits for a cluster: the defaults, unless its caller handed others in as click's `obj`."""
    from forebay.cluster.timeouts import ClusterTimeouts

    return click.get_current_context().find_object(ClusterTimeouts) or ClusterTimeouts()
