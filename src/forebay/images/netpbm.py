"""Binary PPM and PGM with an unusual maximum: Pillow scales them in Python, number by number."""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile


def scale_netpbm(image: Image.Image, data: bytes) -> Image.Image:
    """Scale a binary PPM or PGM in milliseconds to what Pillow gives after minutes; return any other image as it is.

    Args:
        image: Pillow's; only its header is read.
        data: the whole file.

    Raises:
        ValueError: the file is cut off.
    """
    if image.format != "PPM" or cast(ImageFile, image).tile[0].codec_name != "ppm":
        return image
    tile = cast(ImageFile, image).tile[0]
    maximum, bands = cast(tuple[str, int], tile.args)[1], len(image.getbands())
    kind = np.dtype("u1" if maximum < 256 else ">u2")
    values = np.frombuffer(data, kind, image.width * image.height * bands, tile.offset)
    pixels = _table(kind, maximum, image.mode)[values]
    return Image.fromarray(pixels.reshape(image.height, image.width, *([bands] if bands > 1 else [])))


def _table(kind: np.dtype[np.unsignedinteger], maximum: int, mode: str) -> NDArray[np.int32] | NDArray[np.uint8]:
    top = 65535 if mode == "I" else 255
    numbers = np.arange(1 << 8 * kind.itemsize)
    rounded = np.minimum(top, np.rint(numbers / maximum * top))
    return rounded.astype(np.int32) if mode == "I" else rounded.astype(np.uint8)
