"""Images as people have them in Python, prepared as ingest and the server prepare image files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.spec import ModelSpec
from forebay.errors import ConfigError, DataError
from forebay.images import MAX_PIXELS, UnusableImageError, decode, fit, opened_values, to_8_bits, to_channels
from forebay.serving.example import encode_png
from forebay.serving.protocol.pixel_numbers import pixels_from_floats
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.serving.rejection import RequestRejectedError
from forebay.settings.image_rules import FULL_BITS

if TYPE_CHECKING:
    from PIL.Image import Image

ImageInput: TypeAlias = Union[str, os.PathLike[str], bytes, NDArray[Any], "Image"]
"""A path, the bytes of an image file, an array of pixels, or an image of Pillow's."""

ImageInputs: TypeAlias = ImageInput | Iterable[ImageInput]
"""One image or many."""

CHANNELS = (1, 3, 4)  # in the last axis of an array: grey, colour, colour with alpha


def prepare_images(
    images: ImageInputs, spec: ModelSpec, originals: list[OriginalImage] | None = None
) -> NDArray[np.uint8]:
    """Bring images to the size and channels of a model.

    Args:
        images: one or many.
        spec: of the model.
        originals: where what each of them was before is added.

    Returns:
        uint8 (N, H, W, C), as the model takes them.

    Raises:
        ConfigError: a file is not there, or something is given that is no image.
        DataError: an image cannot be decoded.
    """
    shape = (spec.height, spec.width, spec.channels)
    if spec.channels != 1 and hasattr(images, "__array__") and _is_grey_batch(np.asarray(images)):
        raise _wrong_shape(np.asarray(images).shape, "images")  # or channels first: never answered by a guess
    rows = []
    for position, image in enumerate(list_images(images)):
        name = str(Path(image)) if isinstance(image, str | os.PathLike) else _name(position)
        pixels_HWC = _pixels(image, name, spec.bits)
        if originals is not None:
            originals.append(OriginalImage.of(pixels_HWC))
        rows.append(fit(to_channels(pixels_HWC, spec.channels), spec.height, spec.width, spec.fit))
    return np.stack(rows) if rows else np.empty((0, *shape), np.uint8)


def list_images(images: ImageInputs) -> Sequence[ImageInput]:
    """The images one by one: those of an array (N, H, W, C), of an iterable, or the only one.

    An array with three axes is one image where its last axis counts channels (1, 3 or 4), else grey images (N, H, W).
    """
    if isinstance(images, str | bytes | os.PathLike) or _is_pillow(images):
        return [images]  # type: ignore[list-item]
    if hasattr(images, "__array__"):
        array: NDArray[Any] = np.asarray(images)
        return list(array) if array.ndim == 4 or _is_grey_batch(array) else [array]
    if isinstance(images, Iterable):
        return list(images)
    raise _no_image(images, "images")


def read_files(images: ImageInputs) -> Iterator[bytes]:
    """The images as files, for a server that prepares them itself: arrays and Pillow's images become PNG.

    Raises:
        ConfigError, DataError: as `prepare_images`.
    """
    for position, image in enumerate(list_images(images)):
        if isinstance(image, bytes):
            yield image
        elif isinstance(image, str | os.PathLike):
            yield _read(Path(image))
        else:
            yield encode_png(_pixels(image, _name(position), FULL_BITS))


def _pixels(image: object, name: str, bits: int) -> NDArray[np.uint8]:
    """The pixels (H, W, C) of one image, with one channel or three."""
    try:
        if isinstance(image, str | os.PathLike):
            return decode(_read(Path(image)), channels=None, max_pixels=MAX_PIXELS, bits=bits)
        if isinstance(image, bytes):
            return decode(image, channels=None, max_pixels=MAX_PIXELS, bits=bits)
        if _is_pillow(image):
            return to_8_bits(opened_values(image), bits)  # type: ignore[arg-type]
    except UnusableImageError as error:
        raise DataError(
            source=name,
            problem=f"{error.reason}: {error.detail}",
            fix="Give an image file, such as PNG or JPEG, that an image viewer opens.",
        ) from error
    if hasattr(image, "__array__"):
        return _array_pixels(np.asarray(image), name)
    raise _no_image(image, name)


def _array_pixels(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    values = array[:, :, None] if array.ndim == 2 else array
    if values.ndim != 3 or values.shape[2] not in CHANNELS or not values.size:
        raise _wrong_shape(array.shape, name)
    pixels_HWC = _whole_pixels(values, name)
    if values.shape[2] != 4:
        return pixels_HWC
    from PIL import Image

    return to_8_bits(opened_values(Image.fromarray(pixels_HWC)), FULL_BITS)


def _whole_pixels(values: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """By the rules that the server has for numbers in a request."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype.kind not in "iuf":
        raise ConfigError(f"{name}: pixels must be numbers from 0 to 255, got an array of {values.dtype}.")
    try:
        pixels_NHWC = pixels_from_floats(values[None].astype(np.float64), name)
    except RequestRejectedError as error:
        raise ConfigError(str(error).replace(f"{name}[0]", name, 1)) from error
    return pixels_NHWC.reshape(values.shape)


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except IsADirectoryError:
        raise ConfigError(
            f"{path} is a folder. Give the files in it, such as sorted(Path({str(path)!r}).glob('*.png'))."
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _is_grey_batch(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[-1] not in CHANNELS


def _wrong_shape(shape: tuple[int, ...], name: str) -> ConfigError:
    return ConfigError(
        f"{name}: an array must be (H, W), (H, W, C) or (N, H, W, C) with 1, 3 or 4 channels last, or (N, H, W) for a "
        f"grey model, got shape {shape}. Move the axis of a channels-first image: array.transpose(1, 2, 0)."
    )


def _name(position: int) -> str:
    return f"image {position}"


def _is_pillow(image: object) -> bool:
    """Without importing Pillow: who has such an image has imported it."""
    return any(kind.__module__ == "PIL.Image" for kind in type(image).__mro__)


def _no_image(found: object, name: str) -> ConfigError:
    return ConfigError(
        f"{name}: an image is a path, the bytes of a file, an array of pixels or a PIL.Image, got "
        f"{type(found).__name__}."
    )
