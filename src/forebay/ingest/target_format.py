"""The one format in which every image of a dataset is stored."""

from collections import Counter
from typing import NamedTuple

from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape, count_source_shapes
from forebay.settings import AUTO, IngestConfig
from forebay.settings.image_rules import FULL_BITS


class TargetFormat(NamedTuple):
    """What images are converted to."""

    shape: ImageShape
    size: tuple[int, int]  # height and width as set or commonest, before ingest.max_side
    bits: int  # number of bits that 16-bit images use; the largest such number becomes white


UNKNOWN_FORMAT = TargetFormat(ImageShape(1, 1, 1), (1, 1), FULL_BITS)  # before any image was decoded


def choose_target_format(outcomes: Counter[DecodeOutcome], config: IngestConfig) -> TargetFormat:
    """Choose the format by the settings and by the images in the source.

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
        size = _commonest_size(shapes)
        stored = (min(size[0], config.max_side), min(size[1], config.max_side))
    channels = 1 if all(shape.channels == 1 for shape in shapes) else 3
    if config.channels != AUTO:
        channels = int(config.channels)
    bits = max((outcome.depth.bits for outcome in outcomes if outcome.depth), default=FULL_BITS)
    if config.bits != AUTO:
        bits = int(config.bits)
    return TargetFormat(ImageShape(*stored, channels), size, bits)


def _commonest_size(shapes: Counter[ImageShape]) -> tuple[int, int]:
    sizes: Counter[tuple[int, int]] = Counter({(1, 1): 0})
    for shape, count in shapes.items():
        sizes[shape[:2]] += count
    return max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))
