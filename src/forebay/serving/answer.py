"""From a whole inference request to its answer: decode, predict, encode. Runs in a thread of the pool."""

from dataclasses import dataclass, field

import numpy as np
import orjson
from kserve.metrics import POST_HIST_TIME, PRE_HIST_TIME, PREDICT_HIST_TIME
from numpy.typing import NDArray

from forebay.images import ImagePreparation
from forebay.models import Classifier
from forebay.models.bundle import batch_rows
from forebay.serving.admission.inflight import Claim
from forebay.serving.http.gone import Gone
from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.protocol import codec
from forebay.serving.protocol.outputs import Prediction
from forebay.serving.repository import ServedModel

Headers = list[tuple[bytes, bytes]]

JSON = b"application/json"
BINARY = b"application/octet-stream"
IMAGE = b"image/"
# What `curl -d` says unless told otherwise is accepted, as KServe does; what is surely no tensor is not.
MEDIA = (JSON, BINARY, b"application/x-www-form-urlencoded", b"text/json", b"")


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=list)


def check_head(method: str, headers: dict[bytes, bytes]) -> bytes:
    """Look at an inference request before its body is read; its media type.

    Raises:
        RefusedError: no POST (405), or a body of a kind that is not taken (415).
    """
    if method != "POST":
        raise RefusedError(f"expected POST, got {method}.", 405, ((b"allow", b"POST"),))
    media = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if media not in MEDIA and not media.startswith(IMAGE):
        form = ""
        if media.startswith(b"multipart/"):
            form = " Send an image as the body itself: `curl --data-binary @FILE -H 'Content-Type: image/jpeg'`."
        raise RefusedError(
            f"expected Content-Type {JSON.decode()}, {BINARY.decode()} or image/… (an image file as body), got "
            f"{shown(media.decode('latin-1'))}.{form}",
            415,
        )
    return media


def predict_v1(model: ServedModel, media: bytes, body: bytes, claim: Claim) -> Response:
    """Answer a V1 request, or an image in its place."""
    shape = _shape(model)
    with PRE_HIST_TIME.labels(model.name).time():
        decode = codec.decode_image if media.startswith(IMAGE) else codec.decode_v1
        images = decode(body, shape, _preparation(model), claim)
    prediction = _predict(model, images, claim)
    with POST_HIST_TIME.labels(model.name).time():
        return Response(200, codec.encode_v1(prediction), [(b"content-type", JSON)])


def predict_v2(model: ServedModel, media: bytes, headers: dict[bytes, bytes], body: bytes, claim: Claim) -> Response:
    """Answer a V2 request, or an image in its place."""
    length = headers.get(b"inference-header-content-length")
    with PRE_HIST_TIME.labels(model.name).time():
        if media.startswith(IMAGE):
            request = codec.plain_request(codec.decode_image(body, _shape(model), _preparation(model), claim))
        else:
            request = codec.decode_v2(body, None if length is None else length.decode("latin-1"), _shape(model), claim)
    prediction = _predict(model, request.images_NHWC, claim)
    with POST_HIST_TIME.labels(model.name).time():
        encoded, json_length = codec.encode_v2(request, prediction)
    if json_length is None:
        return Response(200, encoded, [(b"content-type", JSON)])
    head = (b"inference-header-content-length", str(json_length).encode())
    return Response(200, encoded, [(b"content-type", BINARY), head])


def refused(refusal: RefusedError) -> Response:
    """The answer that says what was expected."""
    return error(refusal.status, str(refusal), list(refusal.headers))


def error(status: int, message: str, headers: Headers | None = None) -> Response:
    """An error in our form."""
    return Response(status, orjson.dumps({"error": message}), [(b"content-type", JSON), *(headers or [])])


def _predict(model: ServedModel, images_NHWC: NDArray[np.uint8], claim: Claim) -> Prediction:
    claim.images(*images_NHWC.shape[:3])
    with PREDICT_HIST_TIME.labels(model.name).time():
        probabilities = _probabilities(model.classifier, images_NHWC, claim.peer.gone)
    return Prediction(
        model=model.name,
        version=model.served.version,
        classes=model.classifier.spec.classes,
        probabilities=probabilities,
    )


def _probabilities(classifier: Classifier, images_NHWC: NDArray[np.uint8], gone: Gone) -> NDArray[np.float32]:
    """Of images in the batches that the classifier makes by itself, as long as somebody waits for them."""
    rows = batch_rows(classifier.spec)
    if len(images_NHWC) <= rows:
        return classifier.predict(images_NHWC)
    parts = []
    for start in range(0, len(images_NHWC), rows):
        gone.check()
        parts.append(classifier.predict(images_NHWC[start : start + rows]))
    return np.concatenate(parts)


def _preparation(model: ServedModel) -> ImagePreparation:
    spec = model.classifier.spec
    return ImagePreparation(fit=spec.fit, bits=spec.bits)


def _shape(model: ServedModel) -> tuple[int, int, int]:
    spec = model.classifier.spec
    return spec.height, spec.width, spec.channels
