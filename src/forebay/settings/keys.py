"""The flat view of all settings: `train.epochs` on the command line is `train_epochs` in the pipeline."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from forebay.errors import ConfigError
from forebay.settings.deploy import DeployConfig, RegisterConfig
from forebay.settings.evaluate import EvaluateConfig
from forebay.settings.field import TYPE_WORDS, StepConfig, check_value
from forebay.settings.ingest import IngestConfig, PreprocessConfig
from forebay.settings.serve import ServeConfig
from forebay.settings.train import TrainConfig

STEP_CONFIGS: tuple[type[StepConfig], ...] = (
    IngestConfig,
    PreprocessConfig,
    TrainConfig,
    EvaluateConfig,
    RegisterConfig,
    DeployConfig,
    ServeConfig,
)  # in flow order

Scalar = str | int | float | bool  # the KFP parameter types that settings use

Config = TypeVar("Config", bound=StepConfig)

_CACHE_ONLY = {"fingerprint", "code_version"}  # the command line fills them in; --set does not take them


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingInfo:
    """One setting as people read of it: in `--settings`, in the Kubeflow UI and on a page."""

    key: str
    default: "Scalar"
    unit: str
    meaning: str


def parameter_name(key: str) -> str:
    """The pipeline parameter of a setting: `train.epochs` gives `train_epochs`."""
    return key.replace(".", "_")


def all_settings() -> list[SettingInfo]:
    """Every setting a person can give, in flow order."""
    return [_setting(key, field) for key, field in _fields().items()]


def cache_settings() -> list[SettingInfo]:
    """The two parameters that exist for KFP's cache key alone; the cached steps share one `code_version`."""
    fields = {field.name: field for field in dataclasses.fields(IngestConfig)}
    return [
        _setting("ingest.fingerprint", fields["fingerprint"]),
        _setting("code_version", fields["code_version"]),
    ]


def settings_of(config: type[StepConfig], *names: str) -> list[SettingInfo]:
    """The settings of one object, or those of these names."""
    fields = dataclasses.fields(config)
    return [_setting(f"{config.prefix}.{each.name}", each) for each in fields if not names or each.name in names]


def _setting(key: str, field: "dataclasses.Field[Any]") -> SettingInfo:
    return SettingInfo(
        key=key, default=cast(Scalar, field.default), unit=field.metadata["unit"], meaning=field.metadata["meaning"]
    )


def parse_assignments(assignments: Iterable[str], *more: type[StepConfig]) -> dict[str, Scalar]:
    """Parse `KEY=VALUE` words into checked values by key.

    Args:
        assignments: the words.
        more: objects whose settings are taken besides those of the steps.

    Raises:
        ConfigError: no such key (the nearest one is named), a value of the wrong type, or one against its rule.
    """
    values: dict[str, Scalar] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"--set takes KEY=VALUE, got {assignment!r}. For example: --set train.epochs=20")
        values[key] = _parse(key, text, _fields(*more))
    _check_together(values)
    return values


def step_config(kind: type[Config], values: Mapping[str, Any], **own: Any) -> Config:
    """Build one step's settings object from values by key; those of other steps are ignored.

    Args:
        kind: for example `TrainConfig`.
        own: fields that `--set` does not take, such as `code_version`.

    Raises:
        ConfigError: a value is against its rule.
    """
    dot = f"{kind.prefix}."
    return kind(**{key.removeprefix(dot): value for key, value in values.items() if key.startswith(dot)}, **own)


def _fields(*more: type[StepConfig]) -> dict[str, "dataclasses.Field[Any]"]:
    return {
        f"{config.prefix}.{field.name}": field
        for config in (*STEP_CONFIGS, *more)
        for field in dataclasses.fields(config)
        if field.name not in _CACHE_ONLY
    }


def _parse(key: str, text: str, fields: "Mapping[str, dataclasses.Field[Any]]") -> Scalar:
    if key not in fields:
        near = difflib.get_close_matches(key, fields, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(f"There is no setting {key!r}. {hint}`forebay run --settings` lists every key.")
    field = fields[key]
    value = _convert(key, text, type(field.default))
    check_value(key, value, field)
    return value


def _convert(key: str, text: str, kind: type) -> Scalar:
    if kind is str:
        return text
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError):
        raise ConfigError(f"{key} must be {TYPE_WORDS[kind]}, got {text!r}") from None


def _check_together(values: dict[str, Any]) -> None:
    """Build each step's object once, so that rules over several fields are checked before a run starts."""
    for config in STEP_CONFIGS:
        step_config(config, values)
