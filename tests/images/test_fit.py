"""What becomes of another aspect ratio."""

import numpy as np
import pytest
from numpy.typing import NDArray

from forebay.images import ImagePreparation, fit, resize

WAYS = ("crop", "letterbox", "stretch")


def noise(height: int, width: int, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize("how", WAYS)
def test_the_same_aspect_ratio_gives_the_bytes_of_a_plain_resize(how: str) -> None:
    image = noise(60, 80)
    np.testing.assert_array_equal(fit(image, 30, 40, how), resize(image, 30, 40))
    assert fit(image, 60, 80, how) is image


def test_crop_keeps_the_whole_shorter_side_and_the_centre_of_the_longer_one() -> None:
    image = np.zeros((20, 60, 1), np.uint8)
    image[:, 20:40] = 200
    assert (fit(image, 10, 10, "crop")[:, 1:-1] == 200).all()
    assert fit(image, 10, 10, "crop").mean() == 195
    np.testing.assert_array_equal(fit(image, 20, 20, "crop"), image[:, 20:40])  # of one scale: nothing is blurred
    tall = image.transpose(1, 0, 2)
    np.testing.assert_array_equal(fit(tall, 10, 10, "crop"), fit(image, 10, 10, "crop").transpose(1, 0, 2))


def test_letterbox_keeps_all_of_it_in_the_middle_of_black() -> None:
    image = np.full((30, 60, 3), 90, np.uint8)
    result = fit(image, 40, 40, "letterbox")
    assert (result[10:30] == 90).all()
    assert result[:10].max() == result[30:].max() == 0


def test_stretch_squeezes_as_before() -> None:
    image = noise(30, 60)
    np.testing.assert_array_equal(fit(image, 40, 40, "stretch"), resize(image, 40, 40))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("shape", [(1, 4000), (4000, 1), (1, 1), (3, 20_000_000)])
def test_extreme_aspect_ratios_are_taken(shape: tuple[int, int], how: str) -> None:
    image = np.full((*shape, 1), 7, np.uint8)
    result = fit(image, 28, 20, how)
    assert result.shape == (28, 20, 1)
    assert result.max() == 7


def test_older_bundles_mean_stretch_and_the_high_byte() -> None:
    assert ImagePreparation() == ImagePreparation(fit="stretch", bits=16)
