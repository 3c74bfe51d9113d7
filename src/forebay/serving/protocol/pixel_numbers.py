"""From numbers in a request to uint8 pixels: nested lists, flat lists and float tensors.

Numbers run from 0 to 255; fractions are rounded to the nearest whole number, unless the request promised uint8. An
image of fractions within 0..1 is rejected: its pixels were scaled for another library, and rounded it would be black.
So is one with negative numbers, whose pixels were scaled to -1..1 or standardized.
"""

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.rejection import RequestRejectedError, short_repr

Shape = tuple[int, ...]

MAX_INSTANCES = 4096  # images in one request
MAX_PIXEL = 255
MAX_SCALED_PIXEL = 1.01  # resizing and float16 leave pixels that were scaled to 0..1 a little above 1


def check_instance_count(count: int, field: str) -> None:
    """Reject an empty request, and one with too many images."""
    if not 1 <= count <= MAX_INSTANCES:
        raise RequestRejectedError(f"{field}: expected 1 to {MAX_INSTANCES} images in one request, got {count}.")


def nesting_depth(value: object) -> int:
    """How many lists deep the first element lies; bounded, so that deep nesting costs nothing."""
    depth = 0
    while isinstance(value, list) and value and depth <= 5:
        value, depth = value[0], depth + 1
    return depth


def pixels_from_lists(values: list[Any], shape: Shape, field: str, *, integers_only: bool = False) -> NDArray[np.uint8]:
    """Pixels from nested lists that must have exactly this shape.

    Args:
        values: as parsed from JSON.
        shape: expected lengths, outermost first.
        field: the part of the request, for messages.
        integers_only: whether to reject fractions.

    Raises:
        RequestRejectedError: the lists are ragged or of another shape, or hold something else than numbers from 0 to
            255.
    """
    level: list[Any] = values
    for axis, length in enumerate(shape):
        if axis:
            level = _flatten_axis(level, axis, length, shape, field)
        elif len(level) != length:
            raise RequestRejectedError(f"{field}: expected {length} values for shape {list(shape)}, got {len(level)}.")
    return pixels_from_numbers(level, shape[0], field, integers_only=integers_only).reshape(shape)


def _flatten_axis(level: list[Any], axis: int, length: int, shape: Shape, field: str) -> list[Any]:
    expected = f"expected nested lists of shape {list(shape)} (ragged or other shapes are refused)"
    if set(map(type, level)) - {list}:
        found = next(item for item in level if type(item) is not list)
        raise RequestRejectedError(
            f"{field}: {expected}, got {short_repr(found)} where axis {axis} should be a list of {length}."
        )
    lengths = set(map(len, level))
    if lengths != {length}:
        raise RequestRejectedError(f"{field}: {expected}, got lists of {_shortened(lengths)} along axis {axis}.")
    return list(chain.from_iterable(level))


def _shortened(lengths: set[int]) -> str:
    ordered = [str(length) for length in sorted(lengths)]
    return " and ".join(ordered) if len(ordered) < 4 else f"{', '.join(ordered[:3])}, …"


def pixels_from_numbers(
    numbers: list[Any], count: int, field: str, *, integers_only: bool = False
) -> NDArray[np.uint8]:
    """The pixels of `count` images from a flat list of JSON numbers; raises as `pixels_from_lists`."""
    types = set(map(type, numbers))
    if types - {int, float}:
        found = next(item for item in numbers if type(item) not in (int, float))
        raise RequestRejectedError(f"{field}: expected numbers from 0 to {MAX_PIXEL}, got {short_repr(found)}.")
    if types == {int}:
        try:
            return np.frombuffer(bytes(numbers), np.uint8)  # far faster than numpy's own reading of a list
        except (ValueError, OverflowError):
            raise _out_of_range(min(numbers), max(numbers), field) from None
    return pixels_from_floats(np.array(numbers, np.float64).reshape(count, -1), field, integers_only=integers_only)


def pixels_from_floats(
    values: NDArray[np.floating[Any]], field: str, *, integers_only: bool = False
) -> NDArray[np.uint8]:
    """Pixels from floating point numbers of any shape whose first axis counts images; raises as `pixels_from_lists`."""
    largest = values.reshape(len(values), -1).max(1)
    if not (values.min() >= 0 and largest.max() <= MAX_PIXEL):  # in this form NaN is rejected as well
        raise _out_of_range(values.min(), values.max(), field)
    rounded = np.rint(values)
    for row in np.flatnonzero(largest <= MAX_SCALED_PIXEL):
        if not np.array_equal(rounded[row], values[row]):
            raise RequestRejectedError(
                f"{field}[{row}]: expected pixels from 0 to {MAX_PIXEL}, got fractions within 0..1 (up to "
                f"{largest[row]:.6g}). Multiply them by {MAX_PIXEL}: torchvision's ToTensor and scikit-image scale "
                "pixels to 0..1."
            )
    if integers_only and not np.array_equal(rounded, values):
        raise RequestRejectedError(f"{field}: datatype UINT8 takes whole numbers, got fractions. Send FP32 for those.")
    pixels: NDArray[np.uint8] = rounded.astype(np.uint8)
    return pixels


def _out_of_range(low: Any, high: Any, field: str) -> RequestRejectedError:
    advice = " Send the pixels as they were before they were scaled or standardized." if -MAX_PIXEL < low < 0 else ""
    return RequestRejectedError(f"{field}: expected finite numbers from 0 to {MAX_PIXEL}, got {low} to {high}.{advice}")
