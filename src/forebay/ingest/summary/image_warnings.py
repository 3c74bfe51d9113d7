"""What a person should know about how images were converted: what was cut, squeezed or scaled."""

from collections import Counter

from forebay.ingest.decode_outcome import DecodeOutcome, ImageShape
from forebay.ingest.target_format import TargetFormat
from forebay.settings import AUTO, IngestConfig
from forebay.settings.image_rules import BIT_DEPTHS, CROP, LETTERBOX, STRETCH

OTHER_ASPECT_LOSS = 0.1  # share of an image that is cut, black or squeezed; above it, the aspect ratio is another one
WARNED_SHARE = 0.05  # share of the images; above it, they are worth a warning
USUAL_SHARE = 0.9  # a bit depth that fits this part of the 16-bit images counts as the usual one

_KEPT = {
    CROP: "of each the shorter side and the centre are kept",
    LETTERBOX: "each is kept whole, on black where its aspect ratio is another one",
    STRETCH: "each is kept whole, squeezed where its aspect ratio is another one",
}
_FITTED = {
    CROP: "ingest.fit=crop keeps their centre and cuts off up to {:.0%} of an image. "
    "ingest.fit=letterbox keeps all of it, on black",
    LETTERBOX: "ingest.fit=letterbox puts them on black, which is up to {:.0%} of the result. "
    "ingest.fit=crop fills it with their centre",
    STRETCH: "ingest.fit=stretch squeezes them by up to {:.0%}. "
    "ingest.fit=crop keeps their centre, ingest.fit=letterbox all of it, on black",
}


def image_warnings(outcomes: Counter[DecodeOutcome], target: TargetFormat, config: IngestConfig) -> list[str]:
    """Warnings on the size, the aspect ratios and the bit depths."""
    warnings = [_size_limit(target, config), _aspect_ratio(outcomes, target.shape, config.fit)]
    depths = _count_depths(outcomes)
    if depths and config.bits == AUTO:
        warnings += [_scaled(depths, target.bits), _few_levels(depths, target.bits)]
    elif depths:
        warnings.append(_clipped(depths, target.bits))
    return [warning for warning in warnings if warning]


def _size_limit(target: TargetFormat, config: IngestConfig) -> str | None:
    height, width, _ = target.shape
    if (height, width) == target.size:
        return None
    full = "x".join(str(min(side, 9999)) for side in target.size)
    which = "middle of many sizes" if target.is_middle else "commonest size"
    return (
        f"The {which} is {target.size[0]}x{target.size[1]}, above ingest.max_side={config.max_side}: images "
        f"are stored as {height}x{width}, {_KEPT[config.fit]}. ingest.size={full} stores them larger."
    )


def _aspect_ratio(outcomes: Counter[DecodeOutcome], shape: ImageShape, fit: str) -> str | None:
    rows, worst = 0, 0.0
    others: Counter[str] = Counter()
    for outcome, count in outcomes.items():
        if outcome.source_shape and outcome.reason is None:
            rows += count
            loss = _loss(outcome.source_shape, shape)
            if loss > OTHER_ASPECT_LOSS:
                others[_orientation(outcome.source_shape)] += count
                worst = max(worst, loss)
    if others.total() <= WARNED_SHARE * rows:
        return None
    mixed = f" ({', '.join(f'{count} {word}' for word, count in sorted(others.items()))})" if len(others) > 1 else ""
    return (
        f"{others.total()} of {rows} images have another aspect ratio than {shape.height}x{shape.width}{mixed}: "
        f"{_FITTED[fit].format(worst)}."
    )


def _loss(source: ImageShape, target: ImageShape) -> float:
    """The share of an image that another aspect ratio costs; the same number for all three ways."""
    one, other = source.height * target.width, source.width * target.height
    return 1 - min(one, other) / max(one, other)


def _orientation(found: ImageShape) -> str:
    if found.height == found.width:
        return "square"
    return "portrait" if found.height > found.width else "landscape"


def _count_depths(outcomes: Counter[DecodeOutcome]) -> Counter[tuple[int, int]]:
    depths: Counter[tuple[int, int]] = Counter()
    for outcome, count in outcomes.items():
        if outcome.depth:
            depths[outcome.depth] += count
    return depths


def _scaled(depths: Counter[tuple[int, int]], bits: int) -> str | None:
    if bits == max(BIT_DEPTHS):
        return None
    return (
        f"{depths.total()} images have 16 bits a value and use {bits} of them: 0 to {_max_value(bits)} became 0 to 255 "
        "(ingest.bits=auto). ingest.bits=16 keeps the high byte instead."
    )


def _few_levels(depths: Counter[tuple[int, int]], bits: int) -> str | None:
    """A warning where a few images or pixels decide how dark all others become."""
    usual = next(
        bound
        for bound in BIT_DEPTHS
        if sum(count for (_, most), count in depths.items() if most <= bound) >= USUAL_SHARE * depths.total()
    )
    if usual >= bits:
        return None
    larger = sum(count for (largest, _), count in depths.items() if largest > usual)
    return (
        f"{larger} of {depths.total()} images of 16 bits a value hold values above {_max_value(usual)}, nearly all "
        f"values lie below: scaled from 0..{_max_value(bits)}, they keep few grey levels. If the large ones are faults "
        f"(hot pixels), ingest.bits={usual} makes them white."
    )


def _clipped(depths: Counter[tuple[int, int]], bits: int) -> str | None:
    clipped = sum(count for (largest, _), count in depths.items() if largest > bits)
    if not clipped:
        return None
    return (
        f"{clipped} of {depths.total()} images of 16 bits a value hold values above {_max_value(bits)}, which "
        f"ingest.bits={bits} makes white. ingest.bits=auto takes them in."
    )


def _max_value(bits: int) -> int:
    return (1 << bits) - 1
