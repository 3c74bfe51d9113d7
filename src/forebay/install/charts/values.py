"""The values that the chart gets: files of ours, files of the user's, and what options mean."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.install.charts.sources import read_yaml

Values = dict[str, Any]


def merged(files: Sequence[Path]) -> Values:
    """Files laid over each other as helm does it: maps key by key, everything else as a whole.

    Raises:
        ConfigError: a file cannot be read, is no YAML or holds no map.
    """
    values: Values = {}
    for path in files:
        found = read_yaml(path)
        if not isinstance(found, dict | None):
            raise ConfigError(
                f"{path} holds a {type(found).__name__}, and values are a map, such as `gpu: {{enabled: true}}`."
            )
        values = _over(values, found or {})
    return values


def _over(below: Values, above: Values) -> Values:
    both = {key: _over(below[key], above[key]) for key in above if _maps(below.get(key), above[key])}
    return {**below, **above, **both}


def _maps(one: object, other: object) -> bool:
    return isinstance(one, dict) and isinstance(other, dict)


def keys_of(values: Values, wanted: str, prefix: str = "") -> Iterator[str]:
    """The dotted keys under which a word stands, such as `externalS3.existingSecret`."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys_of(value, wanted, f"{prefix}{key}.")
        elif value == wanted or (isinstance(value, list) and wanted in value):
            yield f"{prefix}{key}"
