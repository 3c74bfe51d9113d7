"""From a whole inference request to its response: decode, predict, encode.

Runs in a thread of the pool, or, where that would cost more than the answer, in the event loop.
"""

from collections.abc import Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from forebay.images import ImagePreparation
from forebay.models import Classifier
from forebay.models.classifier import rows_per_pass
from forebay.serving.admission.memory_reservation import MemoryReservation
from forebay.serving.admission.remote_client import DisconnectEvent
from forebay.serving.http.headers import HeaderMap, require_post
from forebay.serving.http.response import JSON_TYPE, HttpResponse
from forebay.serving.protocol.image_files import decode_image_files
from forebay.serving.protocol.names import IMAGE_PREFIX, JSON, JSON_LENGTH_HEADER, OCTET_STREAM
from forebay.serving.protocol.prediction import BatchPrediction
from forebay.serving.protocol.unlike_images import OriginalImage
from forebay.serving.protocol.v1 import decode_v1, encode_v1
from forebay.serving.protocol.v2_input import TargetImages
from forebay.serving.protocol.v2_request import decode_v2, request_for_images
from forebay.serving.protocol.v2_response import encode_v2
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.served_model import ServedModel

# What `curl -d` sends by default is accepted, as KServe does; what is surely not a tensor is not.
ACCEPTED_TYPES = (JSON, OCTET_STREAM, "application/x-www-form-urlencoded", "text/json", "")
_JSON_LENGTH = JSON_LENGTH_HEADER.lower().encode()
_BINARY_TYPE = (b"content-type", OCTET_STREAM.encode())


def check_head(method: str, headers: HeaderMap) -> str:
    """Check an inference request before its body is read; returns its media type.

    Raises:
        RequestRejectedError: it is not POST (405), or its body is of a kind that is not accepted (415).
    """
    require_post(method)
    media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if media_type not in ACCEPTED_TYPES and not media_type.startswith(IMAGE_PREFIX):
        advice = ""
        if media_type.startswith("multipart/"):
            advice = " Send an image as the body itself: `curl --data-binary @FILE -H 'Content-Type: image/jpeg'`."
        raise RequestRejectedError(
            f"expected Content-Type {JSON}, {OCTET_STREAM} or image/… (an image file as body), got "
            f"{short_repr(media_type)}.{advice}",
            415,
        )
    return media_type


def predict_v1(model: ServedModel, media_type: str, body: bytes, reservation: MemoryReservation) -> HttpResponse:
    """Answer a V1 request, or an image file in its place."""
    originals: list[OriginalImage] = []
    start = perf_counter()
    if media_type.startswith(IMAGE_PREFIX):
        images = _decode_image_body(model, body, reservation, originals)
    else:
        images = decode_v1(body, _shape(model), _preparation(model), reservation, originals)
    decoded = perf_counter()
    prediction = predict_images(model, images, reservation, originals)
    predicted = perf_counter()
    response = HttpResponse(200, encode_v1(prediction), [JSON_TYPE])
    model.metrics.time_stages(decoded - start, predicted - decoded, perf_counter() - predicted)
    return response


def predict_v2(
    model: ServedModel, media_type: str, headers: HeaderMap, body: bytes, reservation: MemoryReservation
) -> HttpResponse:
    """Answer a V2 request, or an image file in its place."""
    length = headers.get(_JSON_LENGTH)
    target = target_images(model, reservation)
    start = perf_counter()
    if media_type.startswith(IMAGE_PREFIX):
        request = request_for_images(_decode_image_body(model, body, reservation, target.originals))
    else:
        request = decode_v2(body, None if length is None else length.decode("latin-1"), target)
    decoded = perf_counter()
    prediction = predict_images(model, request.images_NHWC, reservation, target.originals)
    predicted = perf_counter()
    encoded, json_length = encode_v2(request, prediction)
    model.metrics.time_stages(decoded - start, predicted - decoded, perf_counter() - predicted)
    if json_length is None:
        return HttpResponse(200, encoded, [JSON_TYPE])
    return HttpResponse(200, encoded, [_BINARY_TYPE, (_JSON_LENGTH, str(json_length).encode())])


def _decode_image_body(
    model: ServedModel, body: bytes, reservation: MemoryReservation, originals: list[OriginalImage]
) -> NDArray[np.uint8]:
    return decode_image_files([bytes(body)], _shape(model), "body", _preparation(model), reservation, originals)


def target_images(model: ServedModel, reservation: MemoryReservation) -> TargetImages:
    """What the images of a V2 request become."""
    return TargetImages(_shape(model), reservation, _preparation(model))


def predict_images(
    model: ServedModel,
    images_NHWC: NDArray[np.uint8],
    reservation: MemoryReservation,
    originals: Sequence[OriginalImage],
) -> BatchPrediction:
    """Predict the images of one request, whichever protocol they came by.

    Args:
        model: answers.
        images_NHWC: uint8 (N, H, W, C) in the model's size.
        reservation: knows whether the client still waits.
        originals: of the same images, where they came as files.

    Raises:
        NotSmallError: they are too many for a small request.
        ClientDisconnectedError: nobody waits for the answer any more.
    """
    reservation.check_image_count(*images_NHWC.shape[:3])
    probabilities = _probabilities(model.classifier, images_NHWC, reservation.client.disconnect)
    warnings = model.unlike_images.warnings(images_NHWC, originals)
    if warnings:
        model.metrics.count_unlike_images(sum(map(bool, warnings)))
    return BatchPrediction(
        model=model.name,
        version=model.version,
        classes=model.classifier.spec.classes,
        probabilities=probabilities,
        warnings=warnings,
    )


def _probabilities(
    classifier: Classifier, images_NHWC: NDArray[np.uint8], disconnect: DisconnectEvent
) -> NDArray[np.float32]:
    """Predict in the batches that the classifier would make by itself, as long as the client is connected."""
    rows = rows_per_pass(*classifier.spec.largest_size)
    if len(images_NHWC) <= rows:
        return classifier.predict(images_NHWC)
    parts = []
    for start in range(0, len(images_NHWC), rows):
        disconnect.check()
        parts.append(classifier.predict(images_NHWC[start : start + rows]))
    return np.concatenate(parts)


def _preparation(model: ServedModel) -> ImagePreparation:
    spec = model.classifier.spec
    return ImagePreparation(fit=spec.fit, bits=spec.bits)


def _shape(model: ServedModel) -> tuple[int, int, int]:
    spec = model.classifier.spec
    return spec.height, spec.width, spec.channels
