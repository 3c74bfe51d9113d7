"""The two tables that a batch writes: the predictions, and the images that could not be used."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from forebay.serving.batch.model import BatchModel

PREDICTIONS_KEY, QUARANTINE_KEY = b"forebay.predictions", b"forebay.quarantine"  # in the metadata of a Parquet file
SOURCE, SHA256 = pa.field("source", pa.string(), nullable=False), pa.field("sha256", pa.string(), nullable=False)

QUARANTINE_SCHEMA = pa.schema(
    [
        SOURCE,
        pa.field("reason", pa.string(), nullable=False),  # a word of contracts.rows.QUARANTINE_REASONS
        pa.field("detail", pa.string(), nullable=False),  # for people: what was found
    ],
    metadata={QUARANTINE_KEY: b"1"},
)


def prediction_schema(model: BatchModel, *, probabilities: bool) -> pa.Schema:
    """The columns of the predictions.

    Args:
        model: the metadata name it, with its classes in the order of the probabilities.
        probabilities: whether there is a column with those of every class.
    """
    every = [pa.field("probabilities", pa.list_(pa.float32()), nullable=False)] if probabilities else []
    facts = {"model": model.name, "version": model.version, "digest": model.identity, "classes": model.classes}
    return pa.schema(
        [
            SOURCE,
            pa.field("label", pa.string(), nullable=False),  # the most probable class
            pa.field("probability", pa.float32(), nullable=False),  # of that class
            pa.field("top_labels", pa.list_(pa.string()), nullable=False),  # the most probable first
            pa.field("top_probabilities", pa.list_(pa.float32()), nullable=False),
            *every,
            pa.field("model", pa.string(), nullable=False),
            pa.field("version", pa.string(), nullable=False),  # empty for a bundle that is not registered
            pa.field("warnings", pa.list_(pa.string()), nullable=False),  # what is unlike the training images
            SHA256,
        ],
        metadata={PREDICTIONS_KEY: json.dumps(facts).encode()},
    )


def prediction_table(
    images: pa.Table,
    probabilities_NK: NDArray[np.float32],
    warnings: Sequence[Sequence[str]],
    schema: pa.Schema,
    model: BatchModel,
    top: int,
) -> pa.Table:
    """The rows of some images.

    Args:
        images: their columns source and sha256.
        probabilities_NK: what the model gave.
        warnings: of each image.
        schema: `prediction_schema`.
        model: whose answers they are.
        top: how many classes to list; at most all.
    """
    order = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :top]  # the first of equals, as the server takes it
    ordered = np.take_along_axis(probabilities_NK, order, axis=1)
    names = pa.array(model.classes, pa.string())
    columns = {
        "source": images["source"],
        "label": names.take(pa.array(order[:, 0])),
        "probability": pa.array(ordered[:, 0]),
        "top_labels": _lists(names.take(pa.array(order.ravel())), order.shape),
        "top_probabilities": _lists(pa.array(ordered.ravel()), order.shape),
        "probabilities": _lists(pa.array(probabilities_NK.ravel()), probabilities_NK.shape),
        "model": pa.repeat(pa.scalar(model.name), len(images)),
        "version": pa.repeat(pa.scalar(model.version), len(images)),
        "warnings": pa.array([list(each) for each in warnings], pa.list_(pa.string())),
        "sha256": images["sha256"],
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _lists(values: pa.Array, shape: Sequence[int]) -> pa.Array:
    """Values as one list for each row, all of the same length."""
    rows, length = shape
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * length), values)


def csv_rows(table: pa.Table, classes: Sequence[str]) -> Iterator[list[str]]:
    """The rows as texts: lists as JSON, all probabilities as a JSON object by class, numbers in single precision."""
    for row in table.to_pylist():
        if "probabilities" in row:
            row["probabilities"] = dict(zip(classes, row["probabilities"], strict=True))
        yield [_text(value) for value in row.values()]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return str(np.float32(value))
    if isinstance(value, dict):
        pairs = (f"{json.dumps(name, ensure_ascii=False)}: {_text(each)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    assert isinstance(value, list)
    texts = (json.dumps(each, ensure_ascii=False) if isinstance(each, str) else _text(each) for each in value)
    return f"[{', '.join(texts)}]"
