"""Decoding ends between two pieces of it once nobody waits, or when it has taken its time."""

import io

import numpy as np
import pytest
from PIL import Image

from forebay.images import MAX_PIXELS, DecodeBudget, DecodingCancelledError, UnusableImageError, decode
from support.costly_images import many_scans


class Leaves:
    """Gone after it was looked at so many times."""

    def __init__(self, looks: int) -> None:
        self.looks = 0
        self._stays = looks

    @property
    def is_set(self) -> bool:
        self.looks += 1
        return self.looks > self._stays


def _noise(kind: str) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (900, 1200), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_who_leaves_in_the_middle_of_an_image_ends_it_there(kind: str) -> None:
    data = _noise(kind)
    stays = Leaves(1 << 30)
    decode(data, channels=None, max_pixels=MAX_PIXELS, budget=DecodeBudget(stays))
    assert stays.looks > 4
    leaves = Leaves(3)
    with pytest.raises(DecodingCancelledError):
        decode(data, channels=None, max_pixels=MAX_PIXELS, budget=DecodeBudget(leaves))
    assert leaves.looks == 4


def test_it_is_looked_at_between_the_scans_of_a_jpeg_however_short_they_are() -> None:
    leaves = Leaves(20)
    with pytest.raises(DecodingCancelledError):
        decode(many_scans(1000, 1000, 90), channels=None, max_pixels=MAX_PIXELS, budget=DecodeBudget(leaves))
    assert leaves.looks == 21


def test_time_is_that_of_all_images_of_a_budget() -> None:
    data = _noise("PNG")
    budget = DecodeBudget(cpu_s=0.0)
    with pytest.raises(UnusableImageError, match="too_costly: decoding was stopped after 0 s of a core"):
        decode(data, channels=None, max_pixels=MAX_PIXELS, budget=budget)
    decode(data, channels=None, max_pixels=MAX_PIXELS, budget=DecodeBudget())
