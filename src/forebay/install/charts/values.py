"""The values of the chart: our files and the user's, merged as helm merges them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.install.charts.sources import read_yaml

ChartValues = dict[str, Any]


def merge_values(files: Sequence[Path]) -> ChartValues:
    """Merge files of values as helm does: maps key by key; of everything else, the last file wins.

    Raises:
        ConfigError: a file cannot be read, is no YAML or holds no map.
    """
    values: ChartValues = {}
    for path in files:
        found = read_yaml(path)
        if not isinstance(found, dict | None):
            raise ConfigError(
                f"{path} holds a {type(found).__name__}, and values must be a map, such as `gpu: {{enabled: true}}`."
            )
        values = _merge(values, found or {})
    return values


def _merge(base: ChartValues, override: ChartValues) -> ChartValues:
    maps = [key for key in override if isinstance(base.get(key), dict) and isinstance(override[key], dict)]
    return {**base, **override, **{key: _merge(base[key], override[key]) for key in maps}}


def keys_naming(values: ChartValues, wanted: str, prefix: str = "") -> Iterator[str]:
    """The dotted keys that have a value, such as `externalS3.existingSecret`."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys_naming(value, wanted, f"{prefix}{key}.")
        elif value == wanted or (isinstance(value, list) and wanted in value):
            yield f"{prefix}{key}"
