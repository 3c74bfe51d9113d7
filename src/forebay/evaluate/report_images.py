"""Images inside the report: PNG files as data URIs, enlarged by the browser without blur."""

import base64
import io

import numpy as np
from numpy.typing import NDArray


def png_data_uri(pixels_HWC: NDArray[np.uint8]) -> str:
    """The `data:` URI of an image, which is uint8, H x W x 1 (grey), 3 (RGB) or 4 (RGBA)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC.squeeze(axis=2) if pixels_HWC.shape[2] == 1 else pixels_HWC).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


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
