"""From what a request carries to uint8 images (N, H, W, C): lists of numbers, float tensors and image files.

Numbers run from 0 to 255; fractions are rounded to the nearest whole number, where the request did not promise uint8.
An image of fractions within 0..1 is refused: they were scaled for another library, and rounded here it would be black.
So is one with negative numbers, which were scaled to -1..1 or standardized.
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.images import (
    MAX_PIXELS,
    DecodeBudget,
    DecodingCancelledError,
    ImagePreparation,
    UnusableImageError,
    decode,
    fit,
)
from forebay.serving.admission.inflight import Claim
from forebay.serving.http.gone import ClientGoneError
from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.protocol.encoded import unpack

Shape = tuple[int, ...]

MAX_INSTANCES = 4096  # images in one request
MAX_BYTES = 256 << 20  # of all images of one request in the model's size; the files that ask for them are far smaller
TOP = 255
SCALED_TOP = 1.01  # of pixels that were scaled to 0..1: resizing and float16 leave them a little above 1
OLDER = ImagePreparation()  # of bundles that do not say


def check_count(count: int, what: str) -> None:
    """Refuse an empty request and one with too many images."""
    if not 1 <= count <= MAX_INSTANCES:
        raise RefusedError(f"{what}: expected 1 to {MAX_INSTANCES} images in one request, got {count}.")


def _check_size(count: int, shape: Shape, what: str) -> None:
    """Refuse more images than memory is set aside for; a single one always fits."""
    most = max(1, MAX_BYTES // math.prod(shape))
    if count > most:
        raise RefusedError(
            f"{what}: images of {list(shape)} need {math.prod(shape)} bytes each and one request may take "
            f"{MAX_BYTES >> 20} MiB, so at most {most} images of this model fit into it, got {count}. Send fewer at "
            "once.",
            413,
        )


def depth(value: object) -> int:
    """How deep the first element lies; bounded, so deep nesting costs nothing."""
    found = 0
    while isinstance(value, list) and value and found <= 5:
        value, found = value[0], found + 1
    return found


def from_lists(values: list[Any], shape: Shape, what: str, *, whole: bool = False) -> NDArray[np.uint8]:
    """Images from nested lists that must have exactly this shape.

    Args:
        values: as parsed from JSON.
        shape: expected lengths, outermost first.
        what: the part of the request, for messages.
        whole: refuse fractions.

    Raises:
        RefusedError: ragged, of another shape, not numbers, or outside 0..255.
    """
    level: list[Any] = values
    for axis, length in enumerate(shape):
        if axis:
            level = _open_level(level, axis, length, shape, what)
        elif len(level) != length:
            raise RefusedError(f"{what}: expected {length} values for shape {list(shape)}, got {len(level)}.")
    return from_numbers(level, shape[0], what, whole=whole).reshape(shape)


def _open_level(level: list[Any], axis: int, length: int, shape: Shape, what: str) -> list[Any]:
    expected = f"expected nested lists of shape {list(shape)} (ragged or other shapes are refused)"
    strangers = set(map(type, level)) - {list}
    if strangers:
        found = next(item for item in level if type(item) is not list)
        raise RefusedError(f"{what}: {expected}, got {shown(found)} where axis {axis} should be a list of {length}.")
    lengths = set(map(len, level))
    if lengths != {length}:
        raise RefusedError(f"{what}: {expected}, got lists of {_some(lengths)} along axis {axis}.")
    return list(chain.from_iterable(level))


def _some(lengths: set[int]) -> str:
    ordered = [str(length) for length in sorted(lengths)]
    return " and ".join(ordered) if len(ordered) < 4 else f"{', '.join(ordered[:3])}, …"


def from_numbers(numbers: list[Any], count: int, what: str, *, whole: bool = False) -> NDArray[np.uint8]:
    """Pixels of so many images from a flat list of JSON numbers."""
    kinds = set(map(type, numbers))
    if kinds - {int, float}:
        found = next(item for item in numbers if type(item) not in (int, float))
        raise RefusedError(f"{what}: expected numbers from 0 to {TOP}, got {shown(found)}.")
    if kinds == {int}:
        try:
            return np.frombuffer(bytes(numbers), np.uint8)  # far faster than numpy's own reading of a list
        except (ValueError, OverflowError):
            raise _outside(min(numbers), max(numbers), what) from None
    return from_floats(np.array(numbers, np.float64).reshape(count, -1), what, whole=whole)


def from_floats(values: NDArray[np.floating[Any]], what: str, *, whole: bool = False) -> NDArray[np.uint8]:
    """Pixels from floating point numbers of any shape, whose first axis counts images."""
    tops = values.reshape(len(values), -1).max(1)
    if not (values.min() >= 0 and tops.max() <= TOP):  # in this form NaN is refused as well
        raise _outside(values.min(), values.max(), what)
    rounded = np.rint(values)
    for row in np.flatnonzero(tops <= SCALED_TOP):
        if not np.array_equal(rounded[row], values[row]):
            raise RefusedError(
                f"{what}[{row}]: expected pixels from 0 to {TOP}, got fractions within 0..1 (up to {tops[row]:.6g}). "
                f"Multiply them by {TOP}: torchvision's ToTensor and scikit-image scale pixels to 0..1."
            )
    if whole and not np.array_equal(rounded, values):
        raise RefusedError(f"{what}: datatype UINT8 takes whole numbers, got fractions. Send FP32 for those.")
    pixels: NDArray[np.uint8] = rounded.astype(np.uint8)
    return pixels


def _outside(low: Any, high: Any, what: str) -> RefusedError:
    scaled = " Send the pixels as they were before they were scaled or standardized." if -TOP < low < 0 else ""
    return RefusedError(f"{what}: expected finite numbers from 0 to {TOP}, got {low} to {high}.{scaled}")


def from_files(
    encoded: Sequence[Any], shape: Shape, what: str, preparation: ImagePreparation = OLDER, claim: Claim | None = None
) -> NDArray[np.uint8]:
    """Images from `{"b64": …}` objects, decoded and brought to size by the rules that ingest used.

    All files of one request together may hold as many pixels, and take as much time, as one image may.

    Args:
        encoded: the objects, or the files themselves; images of any size.
        shape: (H, W, C) of the result.
        what: the part of the request, for messages.
        preparation: how ingest prepared what the model learned from.
        claim: takes memory for the images, and says whether the client still waits.

    Raises:
        TooLargeError: the claim has no room for them.
        RefusedError: more images than fit into memory (413), an object of another form, bad base64, or a file that
            is no image, has too many pixels or would cost too much.
        ClientGoneError: nobody waits.
    """
    height, width, channels = shape
    _check_size(len(encoded), shape, what)
    claim = claim or Claim.of_nobody()
    claim.images(len(encoded), height, width)
    claim.decoded(len(encoded) * math.prod(shape))
    images = np.empty((len(encoded), height, width, channels), np.uint8)
    left, budget = MAX_PIXELS, DecodeBudget(claim.peer.gone)
    for row, item in enumerate(encoded):
        here = f"{what}[{row}]"
        try:
            budget.check()
            file = item if isinstance(item, bytes) else unpack(item, here)
            bits, admit = preparation.bits, claim.decoded_source
            pixels = decode(file, channels=channels, max_pixels=left, bits=bits, budget=budget, admit=admit)
        except UnusableImageError as error:
            raise RefusedError(
                f"{here}: expected a PNG or JPEG file ({MAX_PIXELS} pixels in all of a request), got one that is "
                f"{error.reason}: {error.detail}."
            ) from None
        except DecodingCancelledError:
            raise ClientGoneError from None
        left -= pixels.shape[0] * pixels.shape[1]
        images[row] = fit(pixels, height, width, preparation.fit)
        claim.release_source()
    return images
