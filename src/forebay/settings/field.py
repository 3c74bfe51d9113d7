"""How a setting is declared and checked: one field holds its default, unit, meaning and rule."""

import dataclasses
import math
from typing import Any, ClassVar

from forebay.errors import ConfigError
from forebay.settings.rules import SettingRule
from forebay.text import find_control
from forebay.version import VERSION

TYPE_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def setting(default: Any, *, meaning: str, unit: str = "", rule: SettingRule | None = None) -> Any:
    """Declare one setting of a step.

    Args:
        default: its type is the setting's type; KFP parameters are typed scalars, so str, int, float or bool.
        meaning: one sentence for `--settings`, the Kubeflow UI and docs/settings.md.
        unit: what a number counts.
        rule: checked when the settings object is built.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "unit": unit, "rule": rule})


def code_version_setting() -> Any:
    """The field that every cached step has: KFP's cache key does not see installed code, so a parameter carries it."""
    return setting(
        VERSION,
        meaning="Identity of the code, part of the cache key; the command line fills it in, "
        "and a container image has one per tag",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepConfig:
    """The base of the settings objects; building one checks every field. `prefix` is the name of the step."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_value(f"{self.prefix}.{field.name}", getattr(self, field.name), field)


def check_value(key: str, value: Any, field: "dataclasses.Field[Any]") -> None:
    """Refuse a value of the wrong type or against the field's rule.

    Raises:
        ConfigError: names the key, the value and the rule.
    """
    wanted = type(field.default)
    accepted = (int, float) if wanted is float else wanted  # JSON writes 1.0 as 1
    is_number_by_accident = isinstance(value, bool) and wanted is not bool
    if not isinstance(value, accepted) or is_number_by_accident:
        raise ConfigError(f"{key} must be {TYPE_WORDS[wanted]}, got {value!r}")
    forbidden = find_control(value) if isinstance(value, str) else ""
    if forbidden:
        raise ConfigError(f"{key} must be text of one line, got {value!r}, which holds {forbidden}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} must be a finite number, got {value!r}")
    rule: SettingRule | None = field.metadata.get("rule")
    problem = rule(value) if rule else None
    if problem:
        raise ConfigError(f"{key} {problem}, got {value!r}")
