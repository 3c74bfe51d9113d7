"""What became of each image, counted, and the one form that all of them are stored in."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from forebay.images import BitDepth
from forebay.settings import AUTO, IngestConfig
from forebay.settings.image_rules import FULL_BITS

# Of `outcome_batch`, in Spark's words.
OUTCOME_DDL = "height int, width int, channels int, reason string, bits int, most_bits int, rows long"


class ImageShape(NamedTuple):
    """The shape in which every image is stored."""

    height: int
    width: int
    channels: int


class TargetFormat(NamedTuple):
    """What images are brought to."""

    shape: ImageShape
    size: tuple[int, int]  # height and width as set or commonest, before ingest.max_side
    bits: int  # of 16-bit images: what stands for white


UNKNOWN_FORMAT = TargetFormat(ImageShape(1, 1, 1), (1, 1), FULL_BITS)  # while nothing is known


class DecodeOutcome(NamedTuple):
    """What became of an image; tasks count these."""

    found: ImageShape | None  # as it is in the source; None where it could not be decoded
    reason: str | None
    depth: BitDepth | None = None  # of an image that has 16 bits


def outcome_batch(outcomes: Counter[DecodeOutcome]) -> pa.RecordBatch:
    """Counted outcomes as Arrow, to travel from a task to the driver."""
    rows = [
        {
            **(outcome.found._asdict() if outcome.found else {}),
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
    """Add up the rows of `outcome_batch` of every task."""
    counted: Counter[DecodeOutcome] = Counter()
    for row in rows:
        found = ImageShape(row["height"], row["width"], row["channels"]) if row["height"] else None
        depth = BitDepth(row["bits"], row["most_bits"]) if row["bits"] else None
        counted[DecodeOutcome(found, row["reason"], depth)] += row["rows"]
    return counted


def count_source_shapes(outcomes: Counter[DecodeOutcome]) -> Counter[ImageShape]:
    """How many readable images have each shape, as found in the source."""
    shapes: Counter[ImageShape] = Counter()
    for outcome, count in outcomes.items():
        if outcome.found is not None:
            shapes[outcome.found] += count
    return shapes


def choose_target_format(outcomes: Counter[DecodeOutcome], config: IngestConfig) -> TargetFormat:
    """What to bring images to.

    - Size: as set, whatever it is. Else the commonest (of equally common ones the largest), each side at most
      `ingest.max_side`.
    - Channels: as set, else 1 where every image is grey.
    - Bits: as set, else the smallest depth that holds every value of every 16-bit image; 16 where there is none.
    """
    shapes = count_source_shapes(outcomes)
    if config.size != AUTO:
        height, width = map(int, config.size.split("x"))
        size = stored = (height, width)
    else:
        size = _commonest(shapes)
        stored = (min(size[0], config.max_side), min(size[1], config.max_side))
    channels = 1 if all(shape.channels == 1 for shape in shapes) else 3
    if config.channels != AUTO:
        channels = int(config.channels)
    bits = max((outcome.depth.bits for outcome in outcomes if outcome.depth), default=FULL_BITS)
    if config.bits != AUTO:
        bits = int(config.bits)
    return TargetFormat(ImageShape(*stored, channels), size, bits)


def _commonest(shapes: Counter[ImageShape]) -> tuple[int, int]:
    sizes: Counter[tuple[int, int]] = Counter({(1, 1): 0})
    for shape, count in shapes.items():
        sizes[shape[:2]] += count
    return max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))
