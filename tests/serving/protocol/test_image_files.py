"""Image files of a request, without a server: how much memory they may take."""

import base64
import io
import tracemalloc

import pytest
from PIL import Image

from forebay.serving.protocol.image_files import MAX_BYTES, decode_image_files
from forebay.serving.protocol.pixel_numbers import MAX_INSTANCES
from forebay.serving.rejection import RequestRejectedError

LARGE = (1080, 1920, 3)


def _image() -> dict[str, str]:
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "PNG")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


def test_many_small_files_for_a_large_model_are_refused_before_memory_is_taken() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(
            RequestRejectedError, match="at most 43 images of this model fit into it, got 4096"
        ) as caught:
            decode_image_files([{}] * MAX_INSTANCES, LARGE, "instances")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413
    assert 43 * 1080 * 1920 * 3 <= MAX_BYTES < 44 * 1080 * 1920 * 3


def test_a_single_image_fits_however_large_the_model_takes_it() -> None:
    assert decode_image_files([_image()], (4, 4, 1), "instances", max_bytes=8).shape == (1, 4, 4, 1)
    with pytest.raises(RequestRejectedError, match="at most 1 images"):
        decode_image_files([_image()] * 2, (4, 4, 1), "instances", max_bytes=8)
