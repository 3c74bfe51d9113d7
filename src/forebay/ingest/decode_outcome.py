"""What became of each image, counted; tasks count and the driver adds up."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from forebay.images import BitDepth

OUTCOME_DDL = "height int, width int, channels int, reason string, bits int, most_bits int, rows long"


class ImageShape(NamedTuple):
    """Height and width in pixels, and the number of channels."""

    height: int
    width: int
    channels: int


class DecodeOutcome(NamedTuple):
    """What became of an image."""

    source_shape: ImageShape | None  # its shape in the source; None where it could not be decoded
    reason: str | None  # why it is quarantined; None where it is usable
    depth: BitDepth | None = None  # None where it has 8 bits


def outcome_batch(outcomes: Counter[DecodeOutcome]) -> pa.RecordBatch:
    """Counted outcomes as Arrow with the columns of `OUTCOME_DDL`, to travel from a task to the driver."""
    rows = [
        {
            **(outcome.source_shape._asdict() if outcome.source_shape else {}),
            "reason": outcome.reason,
            **({"bits": outcome.depth.bits, "most_bits": outcome.depth.most_bits} if outcome.depth else {}),
            "rows": count,
        }
        for outcome, count in outcomes.items()
    ]
    whole = [(name, pa.int32()) for name in ("height", "width", "channels", "bits", "most_bits")]
    return pa.RecordBatch.from_pylist(
        rows, pa.schema([*whole[:3], ("reason", pa.string()), *whole[3:], ("rows", pa.int64())])
    )


def count_outcomes(rows: Iterable[dict[str, Any]]) -> Counter[DecodeOutcome]:
    """Add up the rows of the `outcome_batch` of every task."""
    outcomes: Counter[DecodeOutcome] = Counter()
    for row in rows:
        shape = ImageShape(row["height"], row["width"], row["channels"]) if row["height"] else None
        depth = BitDepth(row["bits"], row["most_bits"]) if row["bits"] else None
        outcomes[DecodeOutcome(shape, row["reason"], depth)] += row["rows"]
    return outcomes


def count_source_shapes(outcomes: Counter[DecodeOutcome]) -> Counter[ImageShape]:
    """How many readable images have each shape in the source."""
    shapes: Counter[ImageShape] = Counter()
    for outcome, count in outcomes.items():
        if outcome.source_shape is not None:
            shapes[outcome.source_shape] += count
    return shapes
