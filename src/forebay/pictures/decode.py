"""Decode one picture by the rules in the package's docstring."""

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


class PictureError(Exception):
    """A picture cannot be used; `reason` is a word of `contracts.rows.REASONS`, `detail` says what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["PictureError"], tuple[str, str]]:
        return PictureError, (self.reason, self.detail)  # the default would pass the joined message as `reason`


def decode(data: bytes, *, channels: int | None, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a picture file.

    Args:
        data: the whole file.
        channels: 1 or 3, or None for what the picture is by itself.
        max_pixels: largest height times width that is decoded.

    Returns:
        uint8 (H, W, C), its own memory.

    Raises:
        PictureError: it is no picture, is damaged, or is too large.
    """
    image = _open(data, max_pixels)
    with _in_words():
        image.load()
        with contextlib.suppress(Exception):  # EXIF is foreign data of its own; a broken block hides no pixels
            ImageOps.exif_transpose(image, in_place=True)
        pixels = np.array(_flatten(image), dtype=np.uint8)
    pixels_HWC = pixels.reshape(*pixels.shape[:2], -1)
    return pixels_HWC if channels is None else to_channels(pixels_HWC, channels)


def to_channels(pixels_HWC: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Colour to luma (ITU-R 601-2), or grey repeated; the input itself where it has `channels` (1 or 3) already."""
    if pixels_HWC.shape[2] == channels:
        return pixels_HWC
    if channels == 3:
        return np.repeat(pixels_HWC, 3, axis=2)
    return np.array(Image.fromarray(pixels_HWC).convert("L"), dtype=np.uint8)[:, :, None]


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise PictureError("unreadable", "the file is empty")
    with _in_words():
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    if image.width * image.height > max_pixels:
        raise PictureError("too_large", f"{image.height}x{image.width} pixels, at most {max_pixels} are decoded")
    return image


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError("unreadable", f"not a picture of a kind that is read ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", str(error)) from None
    except (
        Exception
    ) as error:  # Pillow's readers raise nearly anything on damaged bytes (SyntaxError, struct.error, ...)
        raise PictureError("unreadable", f"damaged: {error or type(error).__name__}") from None


def _flatten(image: Image.Image) -> Image.Image:
    """An image of mode L or RGB with the same look."""
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        return Image.fromarray(_to_8_bits(np.asarray(image)))
    grey = image.mode in ("1", "L", "LA", "La")
    plain = "L" if grey else "RGB"
    if not image.has_transparency_data:
        return image.convert(plain)
    alpha = image.convert("LA" if grey else "RGBA")
    return Image.composite(alpha.convert(plain), Image.new(plain, image.size, "white"), alpha.getchannel("A"))


def _to_8_bits(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    low, high = (0, 1) if grey.dtype.kind == "f" else (0, 65535)
    if not (grey.min() >= low and grey.max() <= high):  # in this form it also refuses NaN
        raise PictureError("unreadable", f"grey values outside {low}..{high}")
    scaled = np.rint(grey * 255) if grey.dtype.kind == "f" else grey.astype(np.int32) >> 8
    return scaled.astype(np.uint8)
