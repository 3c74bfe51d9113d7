"""What a bundle records of the images that its model was trained on, so that a server can tell which ones are unlike.

`low` and `high` hold, for each column of `forebay.images.statistics`, the values between which nearly all training
images lie. `shrink`, `aspects` and `grey` are how ingest found them; they are missing where it is not known.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

FEWEST_ROWS = 100  # training rows; from fewer, more than 1 % of other images of the same data would seem unlike


def source_facts(sizes: Mapping[str, int], height: int, width: int, colours: int | None) -> dict[str, Any]:
    """How the images were before ingest prepared them.

    Args:
        sizes: number of images by `HxW` in the source.
        height, width: as stored.
        colours: how many had colours; None where that is not known.

    Returns:
        `shrink`, by how much the largest was shrunk (1 where none was), `aspects`, the narrowest and the widest aspect
        ratio as parts of the stored one, and `grey`, whether all were grey.
    """
    found = [(int(size.partition("x")[0]), int(size.partition("x")[2])) for size in sizes]
    if not found:
        return {}
    aspects = [aspect_change(*size, height, width) for size in found]
    facts: dict[str, Any] = {
        "shrink": round(max(shrinking(*size, height, width) for size in found), 4),
        "aspects": [round(min(aspects), 4), round(max(aspects), 4)],
    }
    return facts if colours is None else {**facts, "grey": colours == 0}


def shrinking(found_height: int, found_width: int, height: int, width: int) -> float:
    """By how much an image's sides are shrunk in the mean; 1 where they are not."""
    return max(1.0, math.sqrt((found_height * found_width) / (height * width)))


def aspect_change(found_height: int, found_width: int, height: int, width: int) -> float:
    """Width over height, as a part of what a model takes: 2 is twice as wide."""
    return (found_width * height) / (found_height * width)


def common_facts(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What holds for all of several models' training images; empty where one of them recorded none."""
    if not all(found):
        return {}
    common: dict[str, Any] = {
        "rows": min(facts["rows"] for facts in found),
        "low": [min(values) for values in zip(*(facts["low"] for facts in found), strict=True)],
        "high": [max(values) for values in zip(*(facts["high"] for facts in found), strict=True)],
    }
    if all("shrink" in facts and "aspects" in facts for facts in found):
        common["shrink"] = max(facts["shrink"] for facts in found)
        ends = list(zip(*(facts["aspects"] for facts in found), strict=True))
        common["aspects"] = [min(ends[0]), max(ends[1])]
    if all("grey" in facts for facts in found):
        common["grey"] = all(facts["grey"] for facts in found)
    return common
