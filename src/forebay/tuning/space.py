"""The settings that a search may change, and the values that it may give them.

A file holds them as YAML: a key of a setting, and either a list of values or the ends of a range:

    train.recipe: [small, standard]
    train.learning_rate: {low: 0.01, high: 0.4, log: true}
    train.dropout: {low: 0, high: 0.4, step: 0.1}
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.settings import all_settings, parse_assignments
from forebay.settings.keys import Scalar
from forebay.settings.own_model import own_model

# What a search must leave alone, each with the reason.
_NOT_SEARCHED = {
    "train.seed": "the best of several seeds is the luckiest one, not a better setting",
    "train.members": "more networks are always better and cost more; add --set train.members=N to the last run",
    "train.ensemble": "it takes trained networks in place of a training",
    "train.model_code": "the command line fills it in",
    "train.weights_sha256": "the command line fills it in",
    "train.threads": "it changes how fast a training is, not how good",
    "train.checkpoint_s": "it changes nothing of the model",
    "train.gpus": "it changes how fast a training is, not how good",
    "train.nodes": "trials run on one machine",
    "train.node_gpus": "trials run on one machine",
    "train.node_gpu_resource": "trials run on one machine",
    "train.node_memory": "trials run on one machine",
}
_RANGE_KEYS = ("low", "high", "log", "step")
_DIGITS = 3  # significant ones of a setting drawn from a range: enough for it, and short in a command line


@dataclass(frozen=True)
class Choice:
    """One of several values, as `--set` takes them."""

    values: tuple[str, ...]

    def text(self, value: Any) -> str:
        """A drawn value as `--set` takes it."""
        return str(value)

    def find(self, *values: Any) -> str | None:
        """The first of the values that is one of these; numbers are compared as such. None where none is."""
        for value in values:
            for each in self.values:
                if each == str(value) or (_number(each) is not None and _number(each) == _number(value)):
                    return each
        return None


@dataclass(frozen=True)
class Range:
    """A number between two ends, both included."""

    low: float
    high: float
    log: bool = False  # whether to draw its logarithm evenly
    step: float | None = None
    whole: bool = False

    def text(self, value: Any) -> str:
        """A drawn value as `--set` takes it."""
        return str(int(value)) if self.whole else f"{value:.{_DIGITS}g}"

    def find(self, *values: Any) -> float | None:
        """The first of the values that the range holds; None where it holds none."""
        for value in map(_number, values):
            if value is not None and self.low <= value <= self.high and self._is_on_step(value):
                return value
        return None

    def _is_on_step(self, value: float) -> bool:
        if not self.step:
            return not self.whole or value == int(value)
        steps = (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-6


Dimension = Choice | Range


@dataclass(frozen=True)
class SearchSpace:
    """The dimensions by key of their setting."""

    dimensions: Mapping[str, Dimension]

    def as_dict(self) -> dict[str, Any]:
        """The space as JSON."""
        return {key: asdict(dimension) for key, dimension in self.dimensions.items()}

    def settings(self, drawn: Mapping[str, Any]) -> dict[str, Scalar]:
        """Drawn values as settings."""
        return parse_assignments(f"{key}={self.dimensions[key].text(value)}" for key, value in drawn.items())

    @property
    def combinations(self) -> int | None:
        """How many there are; None for a range without steps, which has too many to count."""
        sizes = [_size(dimension) for dimension in self.dimensions.values()]
        return prod(size for size in sizes if size) if all(sizes) else None


def read_space(path: Path) -> SearchSpace:
    """Read a space from a file, each value checked by the rule of its setting.

    Raises:
        ConfigError: the file cannot be read, or is no space that can be searched.
    """
    import yaml

    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--space: {path} cannot be read: {error}. Give a YAML file.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--space: {path} is no YAML: {' '.join(str(error).split())}") from error
    return make_space(found, str(path))


def make_space(found: Any, where: str = "the space") -> SearchSpace:
    """A space from what YAML or Python gives.

    Raises:
        ConfigError: it is no space that can be searched.
    """
    if not isinstance(found, Mapping) or not found:
        raise ConfigError(
            f"{where} names no setting. Give at least one, such as `train.learning_rate: {{low: 0.01, high: 0.4, "
            "log: true}` or `train.recipe: [small, standard]`."
        )
    dimensions = {str(key): _dimension(str(key), value, where) for key, value in found.items()}
    space = SearchSpace(dimensions)
    if space.combinations == 1:
        raise ConfigError(f"{where} has one combination of values, so there is nothing to search. Give more values.")
    return space


def _dimension(key: str, value: Any, where: str) -> Dimension:
    _check_key(key, where)
    try:
        if isinstance(value, list):
            return _choice(key, value)
        if isinstance(value, Mapping):
            return _range(key, value)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    raise ConfigError(f"{where}: {key} must be a list of values, or {{low: …, high: …}}, got {value!r}")


def _check_key(key: str, where: str) -> None:
    if key not in {setting.key for setting in all_settings()}:
        try:
            parse_assignments([f"{key}="])
        except ConfigError as error:  # it names the nearest key
            raise ConfigError(f"{where}: {error}") from None
    step = key.partition(".")[0]
    if step != "train":
        why = "every trial must learn from and be judged by the same rows" if step in ("ingest", "preprocess") else ""
        raise ConfigError(
            f"{where}: {key} cannot be searched: {why or 'it changes nothing of a training'}. Only settings of train "
            f"can; give this one with --set {key}=…"
        )
    if key in _NOT_SEARCHED:
        raise ConfigError(f"{where}: {key} cannot be searched: {_NOT_SEARCHED[key]}.")


def _choice(key: str, values: list[Any]) -> Choice:
    texts = tuple(_text(key, value) for value in values)
    if not texts or len(set(texts)) < len(texts):
        raise ConfigError(f"{key} must list different values, got {values!r}")
    for text in texts:
        parse_assignments([f"{key}={text}"])
        own = own_model(text) if key == "train.model" else None
        if own:
            raise ConfigError(f"{key}: {text} is a network of your own, whose code is given with --model, not searched")
    return Choice(texts)


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise ConfigError(f"{key} must list words or numbers, got {value!r}")
    return str(value)


def _range(key: str, given: Mapping[Any, Any]) -> Range:
    unknown = [str(each) for each in given if each not in _RANGE_KEYS]
    if unknown or not {"low", "high"} <= set(given):
        raise ConfigError(f"{key} takes low, high and, where wanted, log and step, got {dict(given)!r}")
    numbers = {name: _number(given[name]) for name in ("low", "high", "step") if given.get(name) is not None}
    for name, number in numbers.items():
        if number is None:
            raise ConfigError(f"{key}: {name} must be a finite number, got {given[name]!r}")
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"{key}: log must be true or false, got {log!r}")
    assert low is not None
    assert high is not None
    _check_ends(key, low, high, step, log=log)
    return Range(low, high, log, step, whole=_takes_whole_numbers(key, low, high))


def _check_ends(key: str, low: float, high: float, step: float | None, *, log: bool) -> None:
    if low >= high:
        raise ConfigError(f"{key}: low must be below high, got {low:g} and {high:g}")
    if log and step:
        raise ConfigError(f"{key}: log and step exclude each other. Leave one of them out")
    if log and low <= 0:
        raise ConfigError(f"{key}: low must be above 0 with log, got {low:g}")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"{key}: step must be above 0 and at most high - low, got {step:g}")


def _takes_whole_numbers(key: str, low: float, high: float) -> bool:
    """Check both ends by the setting's rule; whether it takes whole numbers only.

    Raises:
        ConfigError: an end is against the rule, or the setting takes words.
    """
    is_whole = low == int(low) and high == int(high)
    if _is_taken(key, "word"):
        raise ConfigError(f"{key} takes words, not numbers. Give a list of values")
    whole = is_whole and not _is_taken(key, f"{low + 0.5:g}")
    for end in (low, high):
        parse_assignments([f"{key}={int(end) if whole else f'{end:g}'}"])
    return whole


def _is_taken(key: str, text: str) -> bool:
    try:
        parse_assignments([f"{key}={text}"])
    except ConfigError:
        return False
    return True


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)  # YAML reads 1e-3 as text
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def _size(dimension: Dimension) -> int | None:
    if isinstance(dimension, Choice):
        return len(dimension.values)
    step = dimension.step or (1 if dimension.whole else None)
    return None if step is None else int((dimension.high - dimension.low) / step + 1e-6) + 1
