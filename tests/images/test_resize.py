import numpy as np
import pytest

from forebay.images import resize


def test_the_same_size_is_handed_back_untouched() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert resize(pixels, 2, 2) is pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_height_comes_before_width_and_channels_stay(channels: int) -> None:
    pixels = np.full((4, 6, channels), 77, dtype=np.uint8)
    result = resize(pixels, 8, 3)
    assert result.shape == (8, 3, channels)
    assert (result == 77).all()


def test_shrinking_averages_so_fine_stripes_become_grey() -> None:
    stripes = np.zeros((64, 64, 1), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = resize(stripes, 8, 8)[1:-1, 1:-1]
    assert inner.min() >= 120
    assert inner.max() <= 135
