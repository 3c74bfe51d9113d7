"""What became of each picture, counted, and the one shape that all of them are stored in."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from forebay.settings import AUTO, IngestConfig

OUTCOME_TYPES = "height int, width int, channels int, reason string, rows long"  # of `outcome_batch`, in Spark's words


class Shape(NamedTuple):
    """The shape in which every picture is stored."""

    height: int
    width: int
    channels: int


class Outcome(NamedTuple):
    """What became of a picture; tasks count these."""

    found: Shape | None  # as it is in the source; None where it could not be decoded
    reason: str | None


def outcome_batch(outcomes: Counter[Outcome]) -> pa.RecordBatch:
    """Counted outcomes as Arrow, to travel from a task to the driver."""
    rows = [
        {**(found._asdict() if found else {}), "reason": reason, "rows": count}
        for (found, reason), count in outcomes.items()
    ]
    schema = pa.schema(
        [("height", pa.int32()), ("width", pa.int32()), ("channels", pa.int32()), ("reason", pa.string()),
         ("rows", pa.int64())]
    )  # fmt: skip
    return pa.RecordBatch.from_pylist(rows, schema)


def count_outcomes(rows: Iterable[dict[str, Any]]) -> Counter[Outcome]:
    """Add up the rows of `outcome_batch` of every task."""
    counted: Counter[Outcome] = Counter()
    for row in rows:
        found = Shape(row["height"], row["width"], row["channels"]) if row["height"] else None
        counted[Outcome(found, row["reason"])] += row["rows"]
    return counted


def found_shapes(outcomes: Counter[Outcome]) -> Counter[Shape]:
    """How many readable pictures have each shape, as found in the source."""
    shapes: Counter[Shape] = Counter()
    for outcome, count in outcomes.items():
        if outcome.found is not None:
            shapes[outcome.found] += count
    return shapes


def resolve_shape(shapes: Counter[Shape], config: IngestConfig) -> Shape:
    """The shape to store: as set, else the commonest size (of equally common ones the largest) and grey if all are."""
    if config.size != AUTO:
        height, width = map(int, config.size.split("x"))
    else:
        sizes: Counter[tuple[int, int]] = Counter({(1, 1): 0})
        for shape, count in shapes.items():
            sizes[shape[:2]] += count
        height, width = max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))
    if config.channels != AUTO:
        return Shape(height, width, int(config.channels))
    return Shape(height, width, 1 if all(shape.channels == 1 for shape in shapes) else 3)
