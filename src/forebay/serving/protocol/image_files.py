"""From image files in a request to uint8 images (N, H, W, C)."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.images import (
    MAX_PIXELS,
    DecodeBudget,
    DecodingCancelledError,
    ImagePreparation,
    UnusableImageError,
    decode,
    fit,
    to_channels,
)
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import ClientDisconnectedError
from forebay.serving.protocol.base64_files import decode_base64_file
from forebay.serving.protocol.pixel_numbers import Shape
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.serving.rejection import RequestRejectedError

MAX_BYTES = 256 << 20  # all images of one request may take this much in the model's size; files are far smaller
DEFAULT_PREPARATION = ImagePreparation()  # for bundles that record none


def decode_image_files(
    files: Sequence[Any],
    shape: Shape,
    field: str,
    preparation: ImagePreparation = DEFAULT_PREPARATION,
    reservation: MemoryReservation | None = None,
    originals: list[OriginalImage] | None = None,
    *,
    max_bytes: int = MAX_BYTES,
) -> NDArray[np.uint8]:
    """Images from files, decoded and brought to size by the rules that ingest used.

    All files of one request together may have as many pixels, and take as much time, as one image may.

    Args:
        files: `{"b64": …}` objects, or the bytes of files; images of any size.
        shape: (H, W, C) of the result.
        field: the part of the request, for messages.
        preparation: how ingest prepared the images that the model was trained on.
        reservation: holds the memory of the images, and knows whether the client is still connected.
        originals: gets what each image was before it was brought to that shape.
        max_bytes: limit of all images together in the model's size; a single one is always accepted.

    Raises:
        NotSmallError: they take too much memory for a small request.
        RequestRejectedError: there are more images than fit into memory (413), an object of another form, text that is
            not base64, or a file that is not an image, has too many pixels or would cost too much.
        ClientDisconnectedError: nobody waits for the answer.
    """
    height, width, channels = shape
    _check_size(len(files), shape, field, max_bytes)
    reservation = reservation or MemoryReservation.standalone()
    reservation.check_image_count(len(files), height, width)
    reservation.reserve_decoded(len(files) * math.prod(shape))
    images = np.empty((len(files), height, width, channels), np.uint8)
    pixels_left, budget = MAX_PIXELS, DecodeBudget(reservation.client.disconnect)
    for row, file in enumerate(files):
        pixels = _decode_file(file, f"{field}[{row}]", pixels_left, preparation.bits, budget, reservation)
        pixels_left -= pixels.shape[0] * pixels.shape[1]
        if originals is not None:
            originals.append(OriginalImage.of(pixels))
        images[row] = fit(to_channels(pixels, channels), height, width, preparation.fit)
        reservation.release_decode_buffer()
    return images


def _decode_file(
    file: Any,
    field: str,
    max_pixels: int,
    bits: int,
    budget: DecodeBudget,
    reservation: MemoryReservation,
) -> NDArray[np.uint8]:
    admit = reservation.reserve_decode_buffer
    try:
        budget.check()
        data = file if isinstance(file, bytes) else decode_base64_file(file, field)
        return decode(data, channels=None, max_pixels=max_pixels, bits=bits, budget=budget, admit=admit)
    except UnusableImageError as error:
        raise RequestRejectedError(
            f"{field}: expected a PNG or JPEG file ({MAX_PIXELS} pixels in all of a request), got one that is "
            f"{error.reason}: {error.detail}."
        ) from None
    except DecodingCancelledError:
        raise ClientDisconnectedError from None


def _check_size(count: int, shape: Shape, field: str, max_bytes: int) -> None:
    """Reject more images than there is memory for; a single one is always accepted."""
    most = max(1, max_bytes // math.prod(shape))
    if count > most:
        raise RequestRejectedError(
            f"{field}: images of {list(shape)} need {math.prod(shape)} bytes each and one request may take "
            f"{max_bytes >> 20} MiB, so at most {most} images of this model fit into it, got {count}. Send fewer at "
            "once.",
            413,
        )
