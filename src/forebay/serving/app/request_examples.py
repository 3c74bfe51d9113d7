"""Requests that a served model answers, for the documentation and the page: of its bundle's own held-out image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.example import encode_png, example_request
from forebay.serving.protocol.names import INPUT
from forebay.serving.repository.served_model import ServedModel

MAX_TENSOR_NUMBERS = 4096  # in a document that people read
EXAMPLE_SIDE = 64  # of an image file; the server brings a file of any size to the model's
_PNG_CHANNELS = (1, 3)


def v1_example(model: ServedModel) -> dict[str, Any] | None:
    """A V1 request; None where the model's images can be written neither as a file nor in few numbers."""
    image = _image(model)
    if image.shape[2] in _PNG_CHANNELS:
        step = -(-max(image.shape[:2]) // EXAMPLE_SIDE)
        small = np.ascontiguousarray(image[::step, ::step])
        return example_request(image, encode_png(small))
    return {"instances": [image.tolist()]} if image.size <= MAX_TENSOR_NUMBERS else None


def v2_example(model: ServedModel) -> dict[str, Any] | None:
    """A request of the Open Inference Protocol; None where its tensor has too many numbers to show."""
    image = _image(model)
    if image.size > MAX_TENSOR_NUMBERS:
        return None
    tensor = {"name": INPUT, "datatype": "UINT8", "shape": [1, *image.shape], "data": image.ravel().tolist()}
    return {"inputs": [tensor]}


def _image(model: ServedModel) -> NDArray[np.uint8]:
    """A held-out image (uint8, H x W x C) of the bundle; grey where it has none."""
    classifier, spec = model.classifier, model.classifier.spec
    if len(classifier.examples_NHWC):
        image: NDArray[np.uint8] = classifier.examples_NHWC[0]
        return image
    return np.full((spec.height, spec.width, spec.channels), 128, np.uint8)
