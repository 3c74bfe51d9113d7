"""The flat view of all settings: `train.epochs` on the command line is `train_epochs` in the pipeline."""

import dataclasses
import difflib
from collections.abc import Iterable
from typing import Any

from forebay.errors import ConfigError
from forebay.settings.deploy import DeployConfig, RegisterConfig
from forebay.settings.evaluate import EvaluateConfig
from forebay.settings.field import StepConfig, check
from forebay.settings.ingest import IngestConfig, PreprocessConfig
from forebay.settings.train import TrainConfig

STEP_CONFIGS: tuple[type[StepConfig], ...] = (
    IngestConfig, PreprocessConfig, TrainConfig, EvaluateConfig, RegisterConfig, DeployConfig,
)  # in flow order

_INTERNAL = {"fingerprint", "code_version"}  # filled in by the command line, never by a person's --set


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as people see it."""

    key: str
    default: str | int | float | bool
    unit: str
    meaning: str


def parameter_name(key: str) -> str:
    """The pipeline parameter of a setting: `train.epochs` gives `train_epochs`."""
    return key.replace(".", "_")


def all_settings() -> list[Setting]:
    """Every setting a person can give, in flow order."""
    return [
        Setting(key=key, default=field.default, unit=field.metadata["unit"], meaning=field.metadata["meaning"])
        for key, field in _fields().items()
    ]


def parse_assignments(assignments: Iterable[str]) -> dict[str, str | int | float | bool]:
    """Turn `KEY=VALUE` words into checked values by key.

    Raises:
        ConfigError: no such key (the nearest one is named), a value of the wrong type, or one against its rule.
    """
    values: dict[str, str | int | float | bool] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE, got {assignment!r}. For example: --set train.epochs=20")
        values[key] = _parse(key, text)
    _check_together(values)
    return values


def _fields() -> dict[str, "dataclasses.Field[Any]"]:
    return {
        f"{config.prefix}.{field.name}": field
        for config in STEP_CONFIGS
        for field in dataclasses.fields(config)
        if field.name not in _INTERNAL
    }


def _parse(key: str, text: str) -> str | int | float | bool:
    fields = _fields()
    if key not in fields:
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(f"There is no setting {key!r}. {hint}`forebay run --settings` lists every key.")
    field = fields[key]
    value = _convert(key, text, type(field.default))
    check(key, value, field)
    return value


def _convert(key: str, text: str, kind: type) -> str | int | float | bool:
    if kind is str:
        return text
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(f"{key} must be {words[kind]}, got {text!r}") from None


def _check_together(values: dict[str, Any]) -> None:
    """Build each step's object once, so rules over several fields speak before a run starts."""
    for config in STEP_CONFIGS:
        dot = f"{config.prefix}."
        config(**{key.removeprefix(dot): value for key, value in values.items() if key.startswith(dot)})
