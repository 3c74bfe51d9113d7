"""Decode one image by the rules in the docstring of the package."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from forebay.images.bit_depth import scale_to_8_bits
from forebay.images.costs import check_bytes, check_opened
from forebay.images.decode_budget import DecodeBudget, MeteredFile, open_metered
from forebay.images.errors import DecodingCancelledError, UnusableImageError
from forebay.images.file_kinds import FORMATS, NO_HEIC, camera_raw_kind, describe_unreadable, is_heic
from forebay.images.netpbm import scale_netpbm
from forebay.settings.image_rules import FULL_BITS

DEEP_COLOUR = ("RGB;16", "RGBA;16")  # Pillow's raw modes; the order of bytes follows: L, B or N
AdmitPixels = Callable[[int], None]
OTHER_BYTE_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class DecodedImage(NamedTuple):
    """An image before its values are scaled to 8 bits."""

    values: NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, C), its own memory; 16 bits where the file has 16
    alpha: Image.Image | None = None  # only beside colours of 16 bits; else the image is composited on white already


def decode(
    data: bytes,
    *,
    channels: int | None,
    max_pixels: int,
    bits: int = FULL_BITS,
    budget: DecodeBudget | None = None,
    admit: AdmitPixels | None = None,
) -> NDArray[np.uint8]:
    """Decode an image file.

    Args:
        data: the whole file.
        channels: 1 or 3, or None for the image's own.
        max_pixels: largest height times width that is decoded.
        bits: how many bits of 16-bit values are in use.
        budget: stops the work between two pieces of it; without one, this image gets its own.
        admit: gets the number of pixels before they are decoded, and may raise to prevent it.

    Returns:
        uint8 (H, W, C), its own memory.

    Raises:
        UnusableImageError: the file is no image, is damaged, is too large, or takes too much work.
        DecodingCancelledError: the budget says that nobody waits any more.
    """
    values = decode_values(data, max_pixels=max_pixels, deep=bits != FULL_BITS, budget=budget, admit=admit)
    pixels_HWC = to_8_bits(values, bits)
    return pixels_HWC if channels is None else to_channels(pixels_HWC, channels)


def decode_values(
    data: bytes,
    *,
    max_pixels: int,
    deep: bool = True,
    budget: DecodeBudget | None = None,
    admit: AdmitPixels | None = None,
) -> DecodedImage:
    """Decode an image file as far as possible without knowing how many of 16 bits are in use. Raises as `decode`.

    Args:
        data: the whole file.
        max_pixels: largest height times width that is decoded.
        deep: read all 16 bits of colours, which takes a second pass; else only their high byte.
        budget, admit: as for `decode`.
    """
    image, file = _open(data, max_pixels, budget)
    if admit is not None:
        admit(image.width * image.height)
    with _explain_errors(data):
        deep = deep and _is_deep_colour(image)
        image = scale_netpbm(image, data)
        _load(image)
        if isinstance(file, MeteredFile):
            file.check()
        if deep:
            return _deep_colour(image, file)
        return _plain_values(image)


def opened_values(image: Image.Image) -> DecodedImage:
    """As `decode_values`, of an image that Pillow has opened or made already; it is not modified.

    Of 16-bit colours Pillow has kept the high byte alone.

    Raises:
        UnusableImageError: it is damaged, or its values are outside their range.
    """
    with _explain_errors(b""):
        try:
            turned = ImageOps.exif_transpose(image)
        except Exception:  # a broken EXIF block must not cost the pixels
            turned = image.copy()
        return _plain_values(turned)


def _plain_values(image: Image.Image) -> DecodedImage:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return DecodedImage(_whole_numbers(np.asarray(image))[:, :, None])
    pixels = np.array(_flatten(image), dtype=np.uint8)
    return DecodedImage(pixels.reshape(*pixels.shape[:2], -1))


def to_8_bits(decoded: DecodedImage, bits: int) -> NDArray[np.uint8]:
    """The pixels (H, W, C) of a decoded image; `bits` are in use in 16-bit values."""
    if decoded.values.itemsize == 1:
        return cast("NDArray[np.uint8]", decoded.values)
    pixels_HWC = scale_to_8_bits(cast("NDArray[np.uint16]", decoded.values), bits)
    if decoded.alpha is None:
        return pixels_HWC
    white = Image.new("RGB", decoded.alpha.size, "white")
    return np.array(Image.composite(Image.fromarray(pixels_HWC), white, decoded.alpha), dtype=np.uint8)


def to_channels(pixels_HWC: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Turn colour into luma (ITU-R 601-2), or repeat grey. Returns the input itself where it has `channels` already."""
    if pixels_HWC.shape[2] == channels:
        return pixels_HWC
    if channels == 3:
        return np.repeat(pixels_HWC, 3, axis=2)
    return np.array(Image.fromarray(pixels_HWC).convert("L"), dtype=np.uint8)[:, :, None]


def _open(data: bytes, max_pixels: int, budget: DecodeBudget | None) -> tuple[Image.Image, io.BytesIO]:
    if not data:
        raise UnusableImageError("unreadable", describe_unreadable(data))
    with _explain_errors(data):
        check_bytes(data, max_pixels)
        file = open_metered(data, budget)
        heic = data[4:8] == b"ftyp" and is_heic(data)
        image: Image.Image = _open_heic(file) if heic else Image.open(file, formats=FORMATS)
        if image.width * image.height > max_pixels:
            raise UnusableImageError(
                "too_large", f"{image.height}x{image.width} pixels, at most {max_pixels} are decoded"
            )
        if check_opened(image, data, max_pixels):
            cast(ImageFile, image).fp = file = open_metered(data, budget, by_scan=True)
    if image.format == "TIFF" and (raw := camera_raw_kind(data)):
        raise UnusableImageError("unreadable", raw)
    return image, file


def _open_heic(file: io.BytesIO) -> Image.Image:
    """Open with the plugin of the extra `heic`, unregistered: Pillow stays the same for the rest of the process."""
    try:
        from pillow_heif import as_plugin
    except ImportError:
        raise UnusableImageError("unreadable", NO_HEIC) from None
    plugin: Any = as_plugin  # typed only where it is installed
    image: Image.Image = plugin.HeifImageFile(file)
    return image


def _load(image: Image.Image) -> None:
    image.load()
    with contextlib.suppress(Exception):  # a broken EXIF block must not cost the pixels
        ImageOps.exif_transpose(image, in_place=True)


@contextlib.contextmanager
def _explain_errors(data: bytes) -> Iterator[None]:
    try:
        yield
    except (UnusableImageError, DecodingCancelledError):
        raise
    except UnidentifiedImageError:
        raise UnusableImageError("unreadable", describe_unreadable(data)) from None
    except Image.DecompressionBombError as error:
        raise UnusableImageError("too_large", str(error)) from None
    except (
        Exception
    ) as error:  # Pillow's readers raise nearly anything on damaged bytes (SyntaxError, struct.error, ...)
        raise UnusableImageError("unreadable", f"damaged: {error or type(error).__name__}") from None


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether the file has colours of 16 bits; Pillow keeps their high byte only."""
    if image.format not in ("PNG", "TIFF"):
        return False
    modes = {_raw_mode(tile.args)[:-1] for tile in cast(ImageFile, image).tile}
    alpha_apart = image.mode == "RGBA" or not image.has_transparency_data
    return len(modes) == 1 and modes <= set(DEEP_COLOUR) and alpha_apart


def _raw_mode(arguments: Any) -> str:
    """The raw mode of a tile, whose arguments are the mode or begin with it."""
    return str(arguments if isinstance(arguments, str) else (arguments or ("",))[0])


def _deep_colour(high: Image.Image, file: io.BytesIO) -> DecodedImage:
    """Read the file again with the order of bytes swapped: then Pillow keeps the low bytes."""
    file.seek(0)
    low = Image.open(file, formats=FORMATS)
    low.tile = [tile._replace(args=_swap_byte_order(tile.args)) for tile in low.tile]
    _load(low)
    values_HWC: NDArray[np.uint16] = np.asarray(high)[:, :, :3] * np.uint16(256) + np.asarray(low)[:, :, :3]
    return DecodedImage(values_HWC, high.getchannel("A") if high.mode == "RGBA" else None)


def _swap_byte_order(arguments: Any) -> Any:
    mode = _raw_mode(arguments)
    swapped = mode[:-1] + OTHER_BYTE_ORDER[mode[-1]]
    return swapped if isinstance(arguments, str) else (swapped, *arguments[1:])


def _flatten(image: Image.Image) -> Image.Image:
    """An image of mode L or RGB that looks the same."""
    if image.mode == "F":
        return Image.fromarray(_fractions(np.asarray(image)))
    grey = image.mode in ("1", "L", "LA", "La")
    plain = "L" if grey else "RGB"
    if not image.has_transparency_data:
        return image.convert(plain)
    alpha = image.convert("LA" if grey else "RGBA")
    return Image.composite(alpha.convert(plain), Image.new(plain, image.size, "white"), alpha.getchannel("A"))


def _whole_numbers(grey: NDArray[np.generic]) -> NDArray[np.uint16]:
    _check_range(grey, 65535)
    return grey.astype(np.uint16)


def _fractions(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    _check_range(grey, 1)
    pixels: NDArray[np.uint8] = np.rint(grey * 255).astype(np.uint8)
    return pixels


def _check_range(grey: NDArray[np.generic], high: int) -> None:
    if not (grey.min() >= 0 and grey.max() <= high):  # this form refuses NaN, too
        raise UnusableImageError("unreadable", f"grey values outside 0..{high}")
