"""Warnings of images that are unlike those a model was trained on: it answers all the same, and may be wrong."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import ModelSpec
from forebay.contracts.training_images import aspect_change, shrinking
from forebay.images.statistics import image_statistics, statistic_names
from forebay.settings.image_rules import CROP, LETTERBOX, STRETCH

FAR = 0.25  # distance: how far a statistic lies outside the training images' range, as a part of that range
LEAST_RANGE = 0.02  # of a statistic; training images that are all alike would make every other one far
MUCH_SHRUNK = 8.0  # times, and twice as much as any training image
OTHER_ASPECT = 2.0  # times as wide or as narrow, and a quarter more than any training image
COLOURFUL = 16.0  # mean difference between the largest and the smallest channel, of 255
SAMPLED_SIDE = 64  # pixels of a side that are looked at for colours
NAMED_IMAGES = 3  # in a warning of many images

ImageWarnings = Sequence[Sequence[str]]  # of each image; empty where no image has any


class OriginalImage(NamedTuple):
    """An image file before it was brought to the model's size."""

    height: int
    width: int
    has_colours: bool

    @classmethod
    def of(cls, pixels_HWC: NDArray[np.uint8]) -> "OriginalImage":
        """Note what the preparation loses; a grey image that is stored as colours counts as grey."""
        height, width, channels = pixels_HWC.shape
        if channels == 1:
            return cls(height, width, has_colours=False)
        sample = pixels_HWC[:: -(-height // SAMPLED_SIDE), :: -(-width // SAMPLED_SIDE)]
        spread = sample.max(axis=2) - sample.min(axis=2)
        return cls(height, width, has_colours=bool(spread.mean() > COLOURFUL))


class UnlikeImages:
    """Finds them, for one model. A bundle that records nothing of its training images makes no warnings."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._facts = spec.training_images
        self._ranges = [
            (low, high, 1 / max(high - low, LEAST_RANGE))
            for low, high in zip(self._facts.get("low", ()), self._facts.get("high", ()), strict=True)
        ]

    def warnings(self, images_NHWC: NDArray[np.uint8], originals: Sequence[OriginalImage] = ()) -> ImageWarnings:
        """What a client should know of each image.

        Args:
            images_NHWC: uint8 (N, H, W, C) in the model's size.
            originals: of the same images, where they came as files.
        """
        if not self._facts:
            return ()
        found = [self._far(statistics) for statistics in image_statistics(images_NHWC)]
        for texts, original in zip(found, originals, strict=False):
            texts += self._changes(original)
        return found if any(found) else ()

    def _far(self, statistics: Sequence[float]) -> list[str]:
        for value, (low, high, _) in zip(statistics, self._ranges, strict=True):
            if not low <= value <= high:
                break
        else:  # nearly every image; a request of one small image must not become slower
            return []
        distances = [
            (low - value if value < low else value - high) * scale
            for value, (low, high, scale) in zip(statistics, self._ranges, strict=True)
        ]
        distance = max(distances)
        if distance <= FAR:
            return []
        column = distances.index(distance)
        low, high, _ = self._ranges[column]
        return [
            f"unlike the training images: {statistic_names(self._spec.channels)[column]} {statistics[column]:.2f}, "
            f"theirs {low:.2f} to {high:.2f}; distance {distance:.2f}, and {FAR:g} is far"
        ]

    def _changes(self, original: OriginalImage) -> list[str]:
        """What the preparation changed much more than in any training image."""
        spec, facts = self._spec, self._facts
        size, wanted = (original.height, original.width), (spec.height, spec.width)
        texts = []
        if spec.channels == 1 and original.has_colours and facts.get("grey"):
            texts.append("colours were made grey: the model was trained on grey images")
        if "shrink" in facts and (factor := shrinking(*size, *wanted)) > max(MUCH_SHRUNK, 2 * facts["shrink"]):
            texts.append(f"shrunk {factor:.0f} times, from {_shape(size)} to {_shape(wanted)}")
        if "aspects" in facts:
            change, (narrowest, widest) = aspect_change(*size, *wanted), facts["aspects"]
            if change > max(OTHER_ASPECT, 1.25 * widest) or change < min(1 / OTHER_ASPECT, narrowest / 1.25):
                texts.append(f"{_shape(size)} has another aspect ratio than {_shape(wanted)}: {_FITTED[spec.fit]}")
        return texts


def joined_warnings(warnings: ImageWarnings) -> str:
    """One text for all images of a request."""
    found = [(number, text) for number, texts in enumerate(warnings) for text in texts]
    if len(warnings) == 1:
        return "; ".join(text for _, text in found)
    named = [f"image {number}: {text}" for number, text in found[:NAMED_IMAGES]]
    more = len(found) - len(named)
    return "; ".join([*named, *([f"and {more} more warnings"] if more else [])])


def _shape(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


_FITTED = {CROP: "its ends were cut off", LETTERBOX: "it was put on black", STRETCH: "it was squeezed"}
