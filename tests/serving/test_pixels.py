"""Images of a request, without a server: what they may take of its memory."""

import base64
import io
import tracemalloc

import pytest
from PIL import Image

from forebay.serving.http.refusal import RefusedError
from forebay.serving.protocol.pixels import MAX_BYTES, MAX_INSTANCES, from_files

LARGE = (1080, 1920, 3)


def _image() -> dict[str, str]:
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "PNG")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


def test_many_small_files_for_a_large_model_are_refused_before_memory_is_taken() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError, match="at most 43 images of this model fit into it, got 4096") as caught:
            from_files([{}] * MAX_INSTANCES, LARGE, "instances")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413
    assert 43 * 1080 * 1920 * 3 <= MAX_BYTES < 44 * 1080 * 1920 * 3


def test_a_single_image_fits_however_large_the_model_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.serving.protocol.pixels.MAX_BYTES", 8)
    assert from_files([_image()], (4, 4, 1), "instances").shape == (1, 4, 4, 1)
    with pytest.raises(RefusedError, match="at most 1 images"):
        from_files([_image()] * 2, (4, 4, 1), "instances")
