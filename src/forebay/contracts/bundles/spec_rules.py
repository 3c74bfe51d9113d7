"""The rule of every field of `model.json`; they are checked before anything is built from it."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from forebay.contracts.class_names import name_problem
from forebay.settings.ensembles import MOST_MEMBERS
from forebay.settings.image_rules import BIT_DEPTHS, FIT_MODES, INTERPOLATIONS, LONGEST_SIDE
from forebay.settings.model_names import LIBRARIES, ONNX

FORMAT = 1
TASK = "image-classification"
MAX_CLASSES = 1 << 20
MAX_IMAGE_PIXELS = 1 << 24  # a forward pass takes memory for each
MAX_ROWS = 1 << 40
MOST_STATISTIC = 2.0  # of `training_images`: means and deviations of 0..1, and correlations
MAX_WORD_CHARACTERS = 255  # in names, digests and the like
ENSEMBLE = "ensemble"  # the architecture of a model whose answer is the mean of several networks
MEMBERS = (2, MOST_MEMBERS)  # fewest and most networks of an ensemble
NETWORK_FIELDS = (  # what each member of an ensemble has of its own
    "library", "library_version", "architecture", "options", "mean", "std", "resize", "interpolation", "temperature",
)  # fmt: skip
TEMPERATURES = (0.05, 20.0)  # least and most; beyond them every answer is one class, or none
COLUMNS = "columns"  # of a member with other order of classes: for each class of the ensemble, the member's own column
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ROW = re.compile(r"[0-9a-f]{16}")

FieldRule = Callable[[Any], str]  # returns what is wrong with a value; empty where nothing is


def check_spec(values: Any) -> None:
    """Check what `model.json` holds.

    Args:
        values: parsed JSON.

    Raises:
        ValueError: a field is missing, unknown or against its rule; the text names field, value and rule.
    """
    if not isinstance(values, dict):
        raise ValueError("it must be one JSON object")
    _refuse_unknown(values)
    for name, rule in (_REQUIRED | _OPTIONAL).items():
        if name in values and (problem := rule(values[name])):
            raise ValueError(f"{name} {problem}")
    _check_image(values)
    _check_training_images(values)
    _check_members(values)
    _check_facts(values)


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    format_ = values.get("format", FORMAT)
    if type(format_) is not int or format_ != FORMAT:
        raise ValueError(f"its format is {format_!r:.100}, this version reads {FORMAT}")
    missing = [name for name in _REQUIRED if name not in values]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    unknown = sorted(values.keys() - _REQUIRED.keys() - _OPTIONAL.keys() - {"format"})
    if unknown:
        raise ValueError(f"{unknown[0]!a:.100} is no field of it")


def _check_image(values: Mapping[str, Any]) -> None:
    if values["height"] * values["width"] > MAX_IMAGE_PIXELS:
        raise ValueError(
            f"height x width must be at most {MAX_IMAGE_PIXELS} pixels, is {values['height']}x{values['width']}"
        )
    _check_channels(values, values["channels"])


def _check_channels(values: Mapping[str, Any], channels: int) -> None:
    for name in ("mean", "std"):
        if len(values[name]) != channels:
            raise ValueError(f"{name} must hold {channels} numbers, one per channel, not {len(values[name])}")


def _check_training_images(values: Mapping[str, Any]) -> None:
    facts = values.get("training_images", {})
    for name, rule in _TRAINING_IMAGES.items():
        if name in facts and (problem := rule(facts[name])):
            raise ValueError(f"training_images.{name} {problem}")
    if unknown := sorted(facts.keys() - _TRAINING_IMAGES.keys()):
        raise ValueError(f"training_images.{unknown[0]!a:.100} is no field of it")
    columns = values["channels"] + 2
    limits = [facts.get("low", []), facts.get("high", [])]
    if facts and ("rows" not in facts or any(len(each) != columns for each in limits)):
        raise ValueError(f"training_images must have rows, and low and high with {columns} numbers each")


def _check_members(values: Mapping[str, Any]) -> None:
    """Check that an ensemble, and nothing else, has members, and each of these by the rules of a single network."""
    members, is_ensemble = values.get("members", []), values["architecture"] == ENSEMBLE
    if is_ensemble != bool(members):
        raise ValueError(f"architecture must be {ENSEMBLE} where there are members, and only there")
    if is_ensemble and values["options"]:
        raise ValueError(f"options must be empty in an {ENSEMBLE}: each member has its own")
    if is_ensemble and values.get("temperature", 1.0) != 1:
        raise ValueError(f"temperature must be 1 in an {ENSEMBLE}: each member has its own")
    for index, member in enumerate(members):
        try:
            _check_member(member, values)
        except ValueError as error:
            raise ValueError(f"members[{index}]: {error}") from error


def _check_member(member: Any, values: Mapping[str, Any]) -> None:
    if not isinstance(member, dict):
        raise ValueError("it must be an object")
    rules = {name: (_REQUIRED | _OPTIONAL)[name] for name in NETWORK_FIELDS}
    missing = [name for name in NETWORK_FIELDS if name in _REQUIRED and name not in member]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    for name, value in member.items():
        if name == COLUMNS:
            problem = _order(value, len(values["classes"]))
        else:
            problem = rules[name](value) if name in rules else "is no field of a member"
        if problem:
            raise ValueError(f"{name!a:.100} {problem}")
    if member["architecture"] == ENSEMBLE:
        raise ValueError(f"an {ENSEMBLE} cannot be a member: put its members beside the others")
    if member.get("library") == ONNX:
        raise ValueError("an exported graph (library onnx) cannot be a member")
    _check_channels(member, values["channels"])


def _order(value: Any, length: int) -> str:
    right = (
        isinstance(value, list) and all(type(each) is int for each in value) and sorted(value) == list(range(length))
    )
    return "" if right else f"must be the numbers from 0 to {length - 1}, each once, is {value!r:.100}"


def _check_facts(values: Mapping[str, Any]) -> None:
    """Check those of the free facts that later steps read."""
    for field, rules in _FACTS.items():
        for name, rule in rules.items():
            value = values.get(field, {}).get(name)
            if value is not None and (problem := rule(value)):
                raise ValueError(f"{field}.{name} {problem}")


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_WORD_CHARACTERS:
        return f"must be one line of text of at most {MAX_WORD_CHARACTERS} characters, is {value!r:.100}"
    return ""


def _name(value: Any) -> str:
    problem = _word(value)
    return problem or ("" if value.strip() and "/" not in value else f"must be a name without /, is {value!r:.100}")


def _text(value: Any) -> str:
    return "" if isinstance(value, str) else f"must be text, is {value!r:.100}"


def _one_of(*allowed: Any) -> FieldRule:
    def rule(value: Any) -> str:
        right = any(type(value) is type(each) and value == each for each in allowed)
        return "" if right else f"must be {' or '.join(map(str, allowed))}, is {value!r:.100}"

    return rule


def _whole(low: int, high: int) -> FieldRule:
    def rule(value: Any) -> str:
        right = type(value) is int and low <= value <= high
        return "" if right else f"must be a whole number from {low} to {high}, is {value!r:.100}"

    return rule


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def _numbers(*, positive: bool) -> FieldRule:
    def rule(value: Any) -> str:
        right = isinstance(value, list) and all(_is_number(each) and (each > 0 or not positive) for each in value)
        kind = "finite numbers above 0" if positive else "finite numbers"
        return "" if right else f"must be a list of {kind}, is {value!r:.100}"

    return rule


def _one_number(value: Any) -> str:
    return "" if _is_number(value) and value > 0 else f"must be a finite number above 0, is {value!r:.100}"


def _limits(value: Any) -> str:
    right = isinstance(value, list) and all(_is_number(each) and abs(each) <= MOST_STATISTIC for each in value)
    return "" if right else f"must be a list of numbers of at most {MOST_STATISTIC:g} in size, is {value!r:.100}"


def _two_numbers(value: Any) -> str:
    right = isinstance(value, list) and len(value) == 2 and not any(map(_one_number, value))
    return "" if right else f"must be two finite numbers above 0, is {value!r:.100}"


def _fraction(value: Any) -> str:
    return "" if _is_number(value) and 0 <= value <= 1 else f"must be a number from 0 to 1, is {value!r:.100}"


def _temperature(value: Any) -> str:
    least, most = TEMPERATURES
    right = _is_number(value) and least <= value <= most
    return "" if right else f"must be a number from {least:g} to {most:g}, is {value!r:.100}"


def _size(value: Any) -> str:
    if value is None:
        return ""
    right = isinstance(value, list) and len(value) == 2 and not any(_whole(1, LONGEST_SIDE)(each) for each in value)
    if not right:
        return f"must be null, or height and width from 1 to {LONGEST_SIDE}, is {value!r:.100}"
    return "" if value[0] * value[1] <= MAX_IMAGE_PIXELS else f"must have at most {MAX_IMAGE_PIXELS} pixels"


def _classes(value: Any) -> str:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CLASSES:
        return f"must be a list of 1 to {MAX_CLASSES} names"
    for index, name in enumerate(value):
        if problem := name_problem(name):
            return f"must be names: number {index} {problem}"
    if len(set(value)) < len(value):
        seen: set[str] = set()
        twice = next(name for name in value if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return f"must be unique: {twice!a:.100} stands twice"
    return ""


def _options(value: Any) -> str:
    if not isinstance(value, dict):
        return f"must be an object, is {value!r:.100}"
    for name, each in value.items():
        if not isinstance(each, bool | str) and not _is_number(each):
            return f"must hold numbers, words and truth values only: {name!a:.100} is {each!r:.100}"
    return ""


def _members(value: Any) -> str:
    fewest, most = MEMBERS
    right = isinstance(value, list) and (not value or fewest <= len(value) <= most)
    return "" if right else f"must be a list of {fewest} to {most} networks, is {value!r:.100}"


def _object(value: Any) -> str:
    return "" if isinstance(value, dict) else f"must be an object, is {value!r:.100}"


def _digest(value: Any) -> str:
    right = isinstance(value, str) and _DIGEST.fullmatch(value)
    return "" if right else f"must be a sha256 in 64 hex digits, is {value!r:.100}"


def _origins(value: Any) -> str:
    right = isinstance(value, list) and all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and not _word(each["name"]) for each in value
    )
    return "" if right else f"must be a list of objects with a name of one line, is {value!r:.100}"


def _moved_rows(value: Any) -> str:
    right = isinstance(value, dict) and all(
        isinstance(rows, list) and all(isinstance(row, str) and _ROW.fullmatch(row) for row in rows)
        for rows in value.values()
    )
    return "" if right else "must be lists of ids of 16 hex digits"


_REQUIRED: dict[str, FieldRule] = {
    "architecture": _name,
    "options": _options,
    "classes": _classes,
    "height": _whole(1, LONGEST_SIDE),
    "width": _whole(1, LONGEST_SIDE),
    "channels": _one_of(1, 3),
    "mean": _numbers(positive=False),
    "std": _numbers(positive=True),
    "weights_sha256": _digest,
}
_OPTIONAL: dict[str, FieldRule] = {
    "training": _object,
    "training_images": _object,
    "data": _object,
    "lineage": _object,
    "fit": _one_of(*FIT_MODES),
    "bits": _one_of(*BIT_DEPTHS),
    "resize": _size,
    "interpolation": _one_of(*INTERPOLATIONS),
    "temperature": _temperature,
    "library": _one_of(*LIBRARIES, ONNX),
    "library_version": _word,
    "task": _one_of(TASK),
    "members": _members,
}
_TRAINING_IMAGES: dict[str, FieldRule] = {
    "rows": _whole(1, MAX_ROWS),
    "low": _limits,
    "high": _limits,
    "shrink": _one_number,
    "aspects": _two_numbers,
    "grey": _one_of(True, False),
}
_FACTS: dict[str, dict[str, FieldRule]] = {
    "data": {
        "name": _name, "digest": _word, "source": _text, "split_kind": _word, "holdout": _fraction,
        "validation": _fraction, "exceptions": _moved_rows,
    },
    "lineage": {"code_version": _word, "mlflow_run_id": _word, "members": _origins},
}  # fmt: skip
