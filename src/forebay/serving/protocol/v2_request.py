"""The V2 request: JSON, and binary tensors after it."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.protocol.json_text import UNCHECKED_BYTES, parse_json_object
from forebay.serving.protocol.names import INPUT, JSON_LENGTH_HEADER, OUTPUTS
from forebay.serving.protocol.parameters import (
    BINARY_OUTPUT,
    BINARY_SIZE,
    INPUT_PARAMETERS,
    REQUEST_PARAMETERS,
    bool_parameter,
    known_parameters,
)
from forebay.serving.protocol.v2_input import (
    InputTensor,
    TargetImages,
    check_input,
    images_from_raw,
    images_from_values,
    raw_size,
)
from forebay.serving.protocol.v2_outputs import OutputFormat, requested_outputs
from forebay.serving.rejection import RequestRejectedError, short_repr


@dataclass(frozen=True, kw_only=True)
class V2Request:
    """A decoded V2 request."""

    images_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix
    id: str
    outputs: dict[str, OutputFormat] = field(default_factory=dict)  # in the order of the request


def decode_v2(body: bytes, json_length: str | None, target: TargetImages) -> V2Request:
    """Decode a V2 request.

    Args:
        body: JSON, with raw tensor bytes after it when `json_length` is given.
        json_length: value of the header Inference-Header-Content-Length.
        target: what the model takes, and what holds the memory of what is decoded.

    Raises:
        RequestRejectedError: it breaks the protocol or does not fit the model.
    """
    split = len(body) if json_length is None else _json_length(json_length, len(body))
    text = body if json_length is None else body[:split]  # no copy of a large one
    document = parse_json_object(text, target.reservation)
    parameters = known_parameters(document, "request", REQUEST_PARAMETERS)
    tensor = check_input(document.get("inputs"), target.shape)
    if json_length is None:
        images = _decode_json_tensor(tensor, target)
    else:
        if len(body) - split > UNCHECKED_BYTES:
            target.reservation.reserve_decoded(len(body) - split)  # FP32 and files are copied; UINT8 is not
        images = _decode_binary_tensor(tensor, memoryview(body)[split:], target)
    outputs = requested_outputs(document, bool_parameter(parameters, BINARY_OUTPUT, "request", False))
    return V2Request(images_NHWC=images, id=request_id(document.get("id")), outputs=outputs)


def request_for_images(images_NHWC: NDArray[np.uint8]) -> V2Request:
    """The V2 request of a client that sent images alone: all outputs as JSON."""
    return V2Request(images_NHWC=images_NHWC, id=request_id(None), outputs=dict.fromkeys(OUTPUTS, OutputFormat()))


def request_id(found: Any) -> str:
    """The id of a request that gave this one; a new id where it gave none.

    Raises:
        RequestRejectedError: it is not a text.
    """
    if found is not None and not isinstance(found, str):
        raise RequestRejectedError(f"expected id to be a text, got {short_repr(found)}.")
    return found or str(uuid.uuid4())


def _json_length(text: str, body_length: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= body_length):
        raise RequestRejectedError(
            f"{JSON_LENGTH_HEADER}: expected the length of the JSON part, at most the body's {body_length} bytes, got "
            f"{short_repr(text)}."
        )
    return int(text)


def _decode_json_tensor(tensor: InputTensor, target: TargetImages) -> NDArray[np.uint8]:
    if BINARY_SIZE in known_parameters(tensor.document, INPUT, INPUT_PARAMETERS):
        raise RequestRejectedError(f"{INPUT}: {BINARY_SIZE} needs the header {JSON_LENGTH_HEADER}, which is missing.")
    data = tensor.document.get("data")
    if not isinstance(data, list):
        kind = "list of image files in base64" if tensor.is_files else "flat or nested list of numbers"
        raise RequestRejectedError(f'{INPUT}: expected "data", a {kind}, got {short_repr(data)}.')
    return images_from_values(tensor, data, target)


def _decode_binary_tensor(tensor: InputTensor, raw: memoryview, target: TargetImages) -> NDArray[np.uint8]:
    parameters = known_parameters(tensor.document, INPUT, INPUT_PARAMETERS)
    if BINARY_SIZE not in parameters and not raw:
        return _decode_json_tensor(tensor, target)  # the header is allowed where no tensor is binary
    if "data" in tensor.document:
        raise RequestRejectedError(
            f'{INPUT}: expected either "data" or {BINARY_SIZE} with bytes after the JSON, got both.'
        )
    announced, size = parameters.get(BINARY_SIZE), raw_size(tensor)
    expected = len(raw) if size is None else size
    if type(announced) is not int or announced != expected or len(raw) != expected:
        raise RequestRejectedError(
            f"{INPUT}: expected {expected} bytes for {tensor.datatype} of shape {list(tensor.dimensions)}, "
            f"{BINARY_SIZE} says {short_repr(announced)} and {len(raw)} came after the JSON."
        )
    return images_from_raw(tensor, raw, target)
