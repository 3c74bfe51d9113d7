"""The one format in which every image of a dataset is stored."""

from collections import Counter
from typing import NamedTuple

from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape, count_source_shapes
from forebay.settings import AUTO, IngestConfig
from forebay.settings.image_rules import FULL_BITS

FEW_SIZES = 10  # up to so many, the commonest is taken
COMMON_SHARE = 0.5  # of all images: a size that so many have is that of the dataset


class TargetFormat(NamedTuple):
    """What images are converted to."""

    shape: ImageShape
    size: tuple[int, int]  # height and width as set or chosen, before ingest.max_side
    bits: int  # number of bits that 16-bit images use; the largest such number becomes white
    is_middle: bool = False  # whether the size is the middle of many rather than one that many images have


UNKNOWN_FORMAT = TargetFormat(ImageShape(1, 1, 1), (1, 1), FULL_BITS)  # before any image was decoded


def choose_target_format(outcomes: Counter[DecodeOutcome], config: IngestConfig) -> TargetFormat:
    """Choose the format by the settings and by the images in the source.

    - Size: as set, whatever it is. Else the commonest (of equally common ones the largest), each side at most
      `ingest.max_side`. Where the commonest is rare, as in a folder of drawings, a square with the middle one of all
      shorter sides: no image's own size then says anything about the others.
    - Channels: as set, else 1 where every image is grey.
    - Bits: as set, else the smallest depth that holds every value of every 16-bit image; 16 where there is none.
    """
    shapes = count_source_shapes(outcomes)
    is_middle = False
    if config.size != AUTO:
        height, width = map(int, config.size.split("x"))
        size = stored = (height, width)
    else:
        sizes = _count_sizes(shapes)
        is_middle = config.on_size == "resize" and _are_many(sizes)
        size = _middle_square(sizes) if is_middle else _commonest(sizes)
        stored = (min(size[0], config.max_side), min(size[1], config.max_side))
    channels = 1 if all(shape.channels == 1 for shape in shapes) else 3
    if config.channels != AUTO:
        channels = int(config.channels)
    bits = max((outcome.depth.bits for outcome in outcomes if outcome.depth), default=FULL_BITS)
    if config.bits != AUTO:
        bits = int(config.bits)
    return TargetFormat(ImageShape(*stored, channels), size, bits, is_middle)


def _count_sizes(shapes: Counter[ImageShape]) -> Counter[tuple[int, int]]:
    sizes: Counter[tuple[int, int]] = Counter({(1, 1): 0})
    for shape, count in shapes.items():
        sizes[shape[:2]] += count
    return sizes


def _are_many(sizes: Counter[tuple[int, int]]) -> bool:
    return len(sizes) > FEW_SIZES and sizes[_commonest(sizes)] < COMMON_SHARE * sizes.total()


def _commonest(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    return max(sizes, key=lambda size: (sizes[size], size[0] * size[1], size))


def _middle_square(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """A square whose side is the middle one of all shorter sides."""
    side = smaller = 0
    for size in sorted(sizes, key=min):
        side, smaller = min(size), smaller + sizes[size]
        if 2 * smaller > sizes.total():
            break
    return side, side
