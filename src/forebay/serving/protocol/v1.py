"""The V1 protocol: `{"instances": […]}` in, `{"predictions": […]}` out."""

import numpy as np
import orjson
from numpy.typing import NDArray

from forebay.images import ImagePreparation
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.protocol.image_files import decode_image_files
from forebay.serving.protocol.json_text import parse_json_object
from forebay.serving.protocol.names import WARNINGS
from forebay.serving.protocol.pixel_numbers import Shape, check_instance_count, nesting_depth, pixels_from_lists
from forebay.serving.protocol.prediction import BatchPrediction
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.serving.rejection import RequestRejectedError, short_repr


def decode_v1(
    body: bytes,
    shape: Shape,
    preparation: ImagePreparation,
    reservation: MemoryReservation | None = None,
    originals: list[OriginalImage] | None = None,
) -> NDArray[np.uint8]:
    """The images (N, H, W, C) of a V1 request.

    Args:
        body: JSON.
        shape: (H, W, C), which the model takes.
        preparation: how image files are brought to that shape.
        reservation: holds the memory of the images.
        originals: gets what image files were before they were brought to that shape.

    Raises:
        RequestRejectedError: the instances are not all pixel arrays, or all `{"b64": …}` objects.
    """
    reservation = reservation or MemoryReservation.standalone()
    instances = parse_json_object(body, reservation).get("instances")
    expected = f'"instances", a list of pixel arrays of shape {_shapes(shape)} with 0 to 255, or of {{"b64": "…"}}'
    if not isinstance(instances, list):
        raise RequestRejectedError(f"expected {expected}, got instances: {short_repr(instances)}.")
    check_instance_count(len(instances), "instances")
    types = set(map(type, instances))
    if types == {dict}:
        return decode_image_files(instances, shape, "instances", preparation, reservation, originals)
    if types != {list}:
        raise RequestRejectedError(f"expected {expected}, all of one kind, got {short_repr(instances)}.")
    without_channel = shape[2] == 1 and nesting_depth(instances) == 3
    pixels = pixels_from_lists(instances, (len(instances), *(shape[:2] if without_channel else shape)), "instances")
    return pixels.reshape(-1, *shape)


def encode_v1(prediction: BatchPrediction) -> bytes:
    """The V1 response: one object per instance."""
    rows = [
        {
            "label": label,
            "label_name": prediction.classes[label],
            "probabilities": probabilities,
            "model_version": prediction.version,
        }
        for label, probabilities in zip(prediction.labels.tolist(), prediction.probabilities, strict=True)
    ]
    for row, texts in zip(rows, prediction.warnings, strict=False):
        if texts:
            row[WARNINGS] = texts
    return orjson.dumps({"predictions": rows}, option=orjson.OPT_SERIALIZE_NUMPY)


def _shapes(shape: Shape) -> str:
    return f"{list(shape)} or {list(shape[:2])}" if shape[2] == 1 else str(list(shape))
