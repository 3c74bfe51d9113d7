"""Images inside the report: PNG files as data URIs, enlarged by the browser without blur."""

import base64
import io

import numpy as np
from numpy.typing import NDArray


def png_uri(pixels_HWC: NDArray[np.uint8]) -> str:
    """A `data:` URI of an image; uint8, H x W x 1 (grey), 3 (RGB) or 4 (RGBA)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels_HWC.squeeze(axis=2) if pixels_HWC.shape[2] == 1 else pixels_HWC).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def heat_map(confusion: NDArray[np.int64]) -> NDArray[np.uint8]:
    """A confusion matrix as an image, one pixel per cell, for class counts that no table holds.

    Returns:
        uint8, K x K x 4: hits blue, mistakes orange, as opaque as their share of the true class (square root, so that
        rare mistakes are seen).
    """
    share = np.sqrt(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))
    pixels = np.zeros((*confusion.shape, 4), np.uint8)
    pixels[..., :3] = (234, 88, 12)
    diagonal = np.arange(len(confusion))
    pixels[diagonal, diagonal, :3] = (37, 99, 235)
    pixels[..., 3] = np.rint(share * 255)
    return pixels
