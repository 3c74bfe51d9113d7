"""What the metadata of Hugging Face datasets says about the columns of a Parquet file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa


def column_features(schema: pa.Schema) -> dict[str, Any]:
    """The features by column; empty where the file has none, or none of a known form."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    if isinstance(found, list):  # as in a dataset card
        found = {each.get("name"): each for each in found if isinstance(each, dict)}
    return found if isinstance(found, dict) else {}


def columns_of_type(schema: pa.Schema, feature_type: str) -> list[str]:
    """The columns with a feature of a type, such as `Image` or `ClassLabel`."""
    return [name for name, feature in column_features(schema).items() if _feature_type(feature) == feature_type]


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The names of a ClassLabel in the order of their numbers; None where the file has none.

    They are a list, or a mapping from number to name (or from name to number), as dataset cards have it.
    """
    feature = column_features(schema).get(column)
    if not isinstance(feature, dict):
        return None
    inner = feature.get("dtype")
    if isinstance(inner, dict):
        feature = inner.get("class_label") or {}
    names = feature.get("names") if isinstance(feature, dict) else None
    if not names or isinstance(names, str):
        return None
    if isinstance(names, Mapping):
        return _in_order(names)
    return [str(name) for name in names] if isinstance(names, Sequence) else None


def _feature_type(feature: Any) -> str:
    if not isinstance(feature, dict):
        return ""
    if isinstance(feature.get("dtype"), dict) and "class_label" in feature["dtype"]:  # as in a dataset card
        return "ClassLabel"
    return str(feature.get("_type", ""))


def _in_order(names: Mapping[str, Any]) -> list[str] | None:
    numbered = _numbered(names) or _numbered({str(number): name for name, number in names.items()})
    if numbered is None or sorted(numbered) != list(range(len(names))):
        return None
    return [numbered[number] for number in range(len(names))]


def _numbered(names: Mapping[str, Any]) -> dict[int, str] | None:
    if not all(str(number).isascii() and str(number).isdigit() for number in names):
        return None
    return {int(number): str(name) for number, name in names.items()}
