"""How a setting is declared and checked: default, unit, meaning and rule stand together on one field."""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable
from typing import Any, ClassVar

from forebay.errors import ConfigError
from forebay.settings import model_names
from forebay.text import find_control
from forebay.version import VERSION

AUTO = "auto"  # resolved inside the step from the data's manifest, and recorded there

Rule = Callable[[Any], str | None]
"""Returns what is wrong with a value as a rule in words ("must be at least 1"), or None."""


def setting(default: Any, *, meaning: str, unit: str = "", rule: Rule | None = None) -> Any:
    """Declare one setting of a step.

    Args:
        default: its type is the setting's type; KFP parameters are typed scalars, so str, int, float or bool.
        meaning: one sentence for `--settings`, the Kubeflow UI and docs/settings.md.
        unit: what a number counts.
        rule: checked when the settings object is built.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "unit": unit, "rule": rule})


def code_version_setting() -> Any:
    """The field that every cached step has: KFP's cache key knows nothing of installed code, so it is a parameter."""
    meaning = "Identity of the code, part of the cache key; the command line fills it in, images have one per tag"
    return setting(VERSION, meaning=meaning)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepConfig:
    """Base of the settings objects: `prefix` is the step's word, and building one checks every field."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check(f"{self.prefix}.{field.name}", getattr(self, field.name), field)


def check(key: str, value: Any, field: "dataclasses.Field[Any]") -> None:
    """Refuse a value of the wrong type or against the field's rule.

    Raises:
        ConfigError: names the key, the value and the rule.
    """
    wanted = type(field.default)
    accepted = (int, float) if wanted is float else wanted  # JSON writes 1.0 as 1
    usable = isinstance(value, accepted) and not (wanted is not bool and isinstance(value, bool))
    if not usable:
        raise ConfigError(f"{key} must be {_TYPE_WORDS[wanted]}, got {value!r}")
    forbidden = find_control(value) if isinstance(value, str) else ""
    if forbidden:
        raise ConfigError(f"{key} must be text of one line, got {value!r}, which holds {forbidden}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} must be a finite number, got {value!r}")
    rule: Rule | None = field.metadata.get("rule")
    problem = rule(value) if rule else None
    if problem:
        raise ConfigError(f"{key} {problem}, got {value!r}")


_TYPE_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def at_least(low: float) -> Rule:
    """Accept numbers from `low` upward."""
    return lambda value: None if value >= low else f"must be at least {low}"


def between(low: float, high: float) -> Rule:
    """Accept numbers from `low` to `high`, both included."""
    return lambda value: None if low <= value <= high else f"must be between {low} and {high}"


def one_of(*words: str) -> Rule:
    """Accept only the given words."""
    return lambda value: None if value in words else f"must be one of {', '.join(words)}"


def matching(pattern: str, example: str) -> Rule:
    """Accept text that matches the whole pattern; the example stands in the message."""
    return lambda value: None if re.fullmatch(pattern, value) else f"must look like {example}"


def memory_MiB(value: str) -> int:
    """How much an amount of memory in Kubernetes' notation is; 0 where it is none that a setting takes."""
    found = re.fullmatch(r"([1-9]\d{0,5})(Mi|Gi)", value)
    return int(found[1]) * (1024 if found[2] == "Gi" else 1) if found else 0


def memory_at_least(low_MiB: int) -> Rule:
    """Accept an amount of memory in Kubernetes' notation, such as 2Gi or 1536Mi."""
    return lambda value: None if memory_MiB(value) >= low_MiB else f"must be at least {low_MiB}Mi, such as 2Gi"


def known_model(example: str) -> Rule:
    """Accept `auto` and the name of a network of ours or of torchvision's; near names stand in the message."""
    known = (AUTO, *model_names.OWN, *model_names.TORCHVISION)

    def rule(value: str) -> str | None:
        if value in known:
            return None
        alike = re.fullmatch(r"[a-z0-9_]+", value) is not None
        near = difflib.get_close_matches(value, known, n=3, cutoff=0.5) if alike else []
        if not near:
            return f"must look like {example}: {', '.join(model_names.OWN)} or a torchvision classification model"
        return f"must be the name of a model, near ones are {', '.join(near)}"

    return rule


def auto_or_int(low: int) -> Rule:
    """Accept `auto` or a whole number of at least `low`, written as text (KFP parameters have one type)."""

    def rule(value: str) -> str | None:
        usable = value == AUTO or (re.fullmatch(r"\d{1,9}", value) is not None and int(value) >= low)
        return None if usable else f"must be auto or a whole number of at least {low}"

    return rule


def auto_or_float(low: float, high: float) -> Rule:
    """Accept `auto` or a number above `low` and up to `high`, written as text."""

    def rule(value: str) -> str | None:
        if value == AUTO:
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        return None if low < number <= high else f"must be auto or a number above {low} and at most {high}"

    return rule
