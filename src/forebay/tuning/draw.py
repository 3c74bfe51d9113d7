"""Settings of a trial that knows no other one: evenly spread over the space, by the trial's number alone.

Pods of a cluster share no database. So each draws its own point of a Halton sequence (Halton, 1960), shifted along
every axis by an amount that follows from the seed (Cranley & Patterson, 1976). No two trials draw the same point, and
those of numbers 1 to N cover the space more evenly than chance would.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from forebay.settings.keys import Scalar
from forebay.tuning.space import Choice, Dimension, SearchSpace


def draw_settings(space: SearchSpace, seed: int, number: int) -> dict[str, Scalar]:
    """The settings of a trial; number 0 is the default, which has none of its own."""
    if number == 0:
        return {}
    shifts = np.random.default_rng(seed).random(len(space.dimensions))
    bases = _primes(len(space.dimensions))
    points = [(_radical_inverse(number, base) + shift) % 1.0 for base, shift in zip(bases, shifts, strict=True)]
    drawn: Mapping[str, Any] = {
        key: _at(dimension, float(point))
        for (key, dimension), point in zip(space.dimensions.items(), points, strict=True)
    }
    return space.settings(drawn)


def _at(dimension: Dimension, point: float) -> Any:
    """The value at a point from 0 to 1."""
    if isinstance(dimension, Choice):
        return dimension.values[int(point * len(dimension.values))]
    step = dimension.step or (1.0 if dimension.whole else None)
    if dimension.log:
        value = float(np.exp(np.log(dimension.low) + point * (np.log(dimension.high) - np.log(dimension.low))))
        return round(value) if dimension.whole else value
    if step:
        return dimension.low + step * int(point * (int((dimension.high - dimension.low) / step + 1e-6) + 1))
    return dimension.low + point * (dimension.high - dimension.low)


def _radical_inverse(number: int, base: int) -> float:
    """The digits of a number in a base, mirrored at the point."""
    found, place = 0.0, 1.0 / base
    while number:
        number, digit = divmod(number, base)
        found, place = found + digit * place, place / base
    return found


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
