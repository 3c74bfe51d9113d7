"""The settings of a run, from values of Python or from words of a command line."""

import numbers
import os
from collections.abc import Iterable, Mapping

from forebay.api.code_settings import fill_in_code
from forebay.errors import ConfigError
from forebay.settings import parse_assignments
from forebay.settings.field import StepConfig
from forebay.settings.keys import Scalar

SettingValue = str | int | float | bool | os.PathLike[str]


def parse_words(words: Iterable[str], *more: type[StepConfig]) -> dict[str, Scalar]:
    """The checked settings by key, from `KEY=VALUE` words; a later word wins.

    Args:
        words: what a person gave.
        more: objects whose settings are taken besides those of the steps.

    Raises:
        ConfigError: a key is unknown, a value breaks its rule, or a file of the user's cannot be read.
    """
    return fill_in_code(parse_assignments(words, *more))


def parse_settings(settings: Mapping[str, SettingValue] | None, **short: SettingValue | None) -> dict[str, Scalar]:
    """The checked settings by key, from values of Python.

    Args:
        settings: values by key, such as `{"train.epochs": 5}`; they win over the short ones.
        short: `train_model` stands for `train.model`; None for one that was not given.

    Raises:
        ConfigError: as `parse_words`, or a value is no text, number, bool or path.
    """
    given = {key.replace("_", ".", 1): value for key, value in short.items() if value is not None}
    return parse_words([f"{key}={_text(key, value)}" for key, value in [*given.items(), *(settings or {}).items()]])


def _text(key: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, str | numbers.Real):  # bool is one of these
        return str(value)
    raise ConfigError(f"{key} must be text, a number, True or False, or a path, got {type(value).__name__}: {value!r}.")
