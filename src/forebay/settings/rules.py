"""Rules of settings: each function makes one that tells what is wrong with a value."""

import difflib
import math
import re
from collections.abc import Callable
from typing import Any

from forebay.settings import model_names
from forebay.settings.own_model import own_model

AUTO = "auto"  # a step resolves it from the manifest of its data, and records what it chose

SettingRule = Callable[[Any], str | None]
"""Returns the rule that a value breaks, in words ("must be at least 1"); None for a value that keeps it."""

_MEMORY = re.compile(r"([1-9]\d{0,5})(Mi|Gi)")


def at_least(low: float) -> SettingRule:
    """Accept numbers from `low` upward."""
    return lambda value: None if value >= low else f"must be at least {low}"


def between(low: float, high: float) -> SettingRule:
    """Accept numbers from `low` to `high`, both included."""
    return lambda value: None if low <= value <= high else f"must be between {low} and {high}"


def one_of(*words: str) -> SettingRule:
    """Accept only the given words."""
    return lambda value: None if value in words else f"must be one of {', '.join(words)}"


def matching(pattern: str, example: str) -> SettingRule:
    """Accept text that matches the whole pattern; the example stands in the message."""
    return lambda value: None if re.fullmatch(pattern, value) else f"must look like {example}"


def memory_MiB(value: str) -> int:
    """An amount of memory in Kubernetes' notation, such as 2Gi, in MiB; 0 for any other text."""
    found = _MEMORY.fullmatch(value)
    return int(found[1]) * (1024 if found[2] == "Gi" else 1) if found else 0


def memory_amount(example: str) -> SettingRule:
    """Accept an amount of memory in Kubernetes' notation."""
    return lambda value: None if _MEMORY.fullmatch(value) else f"must look like {example}"


def memory_at_least(low_MiB: int) -> SettingRule:
    """Accept an amount of memory in Kubernetes' notation, such as 2Gi or 1536Mi."""
    return lambda value: None if memory_MiB(value) >= low_MiB else f"must be at least {low_MiB}Mi, such as 2Gi"


def known_model(example: str) -> SettingRule:
    """Accept `auto`, the name of a network of ours, torchvision's or timm's, and what names the user's own code.

    Near names stand in the message.
    """

    def rule(value: str) -> str | None:
        if value == AUTO or model_names.find_model(value) or own_model(value):
            return None
        if value.endswith(".py"):
            return f"must name a class or function of the file, such as {value}:Net"
        near = _near_models(value) if re.fullmatch(r"[a-z0-9_/]+", value) else []
        if not near:
            own = ", ".join(model_names.OWN_MODELS)
            return (
                f"must look like {example}: {own} or a classification model of torchvision or timm; or name a network "
                "of your own, FILE.py:NAME or package.module:NAME"
            )
        return f"must be the name of a model, near ones are {', '.join(near)}"

    return rule


def _near_models(value: str) -> list[str]:
    library, slash, name = value.rpartition("/")
    searched = [library] if library in model_names.LIBRARIES else model_names.LIBRARIES
    names = sorted({each for one in searched for each in model_names.names_of(one)})
    found = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return [f"{library}/{each}" for each in found] if slash and len(searched) == 1 else found


def auto_or_int(low: int) -> SettingRule:
    """Accept `auto` or a whole number of at least `low`, written as text (KFP parameters have one type)."""

    def rule(value: str) -> str | None:
        usable = value == AUTO or (re.fullmatch(r"\d{1,9}", value) is not None and int(value) >= low)
        return None if usable else f"must be auto or a whole number of at least {low}"

    return rule


def auto_or_float(low: float, high: float) -> SettingRule:
    """Accept `auto` or a number above `low` and up to `high`, written as text."""
    return _auto_or_number(lambda number: low < number <= high, f"a number above {low} and at most {high}")


def auto_or_between(low: float, high: float) -> SettingRule:
    """Accept `auto` or a number from `low` to `high`, both included, written as text."""
    return _auto_or_number(lambda number: low <= number <= high, f"a number between {low} and {high}")


def _auto_or_number(is_right: Callable[[float], bool], wanted: str) -> SettingRule:
    def rule(value: str) -> str | None:
        if value == AUTO:
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan  # it is in no range
        return None if is_right(number) else f"must be auto or {wanted}"

    return rule
