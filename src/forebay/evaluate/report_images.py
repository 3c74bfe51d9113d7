"""Images inside the report: data URIs, enlarged by the browser without blur where they are small."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL_SIDE = 192  # pixels; a larger image is made smaller
PNG_BYTES = 16_384  # up to which an image stays as it is, in a PNG
JPEG_QUALITIES = (85, 60, 30)  # the first that keeps the size, else the last: at most some 30 kB for noise


def png_data_uri(pixels_HWC: NDArray[np.uint8]) -> str:
    """The `data:` URI of an image, which is uint8, H x W x 1 (grey), 3 (RGB) or 4 (RGBA)."""
    return _data_uri("png", _encode(_image(pixels_HWC), "PNG"))


def thumbnail_data_uri(pixels_HWC: NDArray[np.uint8]) -> str:
    """The `data:` URI of an image that takes little space: unchanged where it is small, else a smaller JPEG.

    Args:
        pixels_HWC: uint8, H x W x 1 (grey) or 3 (RGB).
    """
    image = _image(pixels_HWC)
    if max(image.size) <= THUMBNAIL_SIDE:
        png = _encode(image, "PNG")
        if len(png) <= PNG_BYTES:
            return _data_uri("png", png)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    for quality in JPEG_QUALITIES:
        jpeg = _encode(image, "JPEG", quality=quality)
        if len(jpeg) <= PNG_BYTES:
            break
    return _data_uri("jpeg", jpeg)


def _image(pixels_HWC: NDArray[np.uint8]) -> "Image.Image":
    from PIL import Image

    return Image.fromarray(pixels_HWC.squeeze(axis=2) if pixels_HWC.shape[2] == 1 else pixels_HWC)


def _encode(image: "Image.Image", kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def confusion_heat_map(confusion: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A confusion matrix as an image with one pixel per cell, for more classes than fit in a table.

    Returns:
        uint8, K x K x 4: hits blue, mistakes orange, in the opacity of `confusion_opacity`.
    """
    pixels = np.zeros((*confusion.shape, 4), np.uint8)
    pixels[..., :3] = (234, 88, 12)
    diagonal = np.arange(len(confusion))
    pixels[diagonal, diagonal, :3] = (37, 99, 235)
    pixels[..., 3] = np.rint(confusion_opacity(confusion) * 255)
    return pixels


def confusion_opacity(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """How strong each cell of a confusion matrix is shown: 0..1, K x K.

    It is the square root of the cell's share of the true class, so that rare mistakes are visible.
    """
    return np.sqrt(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))  # type: ignore[no-any-return]
