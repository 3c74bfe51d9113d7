"""The V2 request: JSON, and binary tensors after it."""

import math
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.admission.memory_reservation import MemoryReservation
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
from forebay.serving.protocol.pixel_numbers import (
    Shape,
    check_instance_count,
    nesting_depth,
    pixels_from_floats,
    pixels_from_lists,
    pixels_from_numbers,
)
from forebay.serving.protocol.v2_outputs import OutputFormat, requested_outputs
from forebay.serving.rejection import RequestRejectedError, short_repr

DATATYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}


@dataclass(frozen=True, kw_only=True)
class V2Request:
    """A decoded V2 request."""

    images_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix
    id: str
    outputs: dict[str, OutputFormat] = field(default_factory=dict)  # in the order of the request


def decode_v2(
    body: bytes, json_length: str | None, shape: Shape, reservation: MemoryReservation | None = None
) -> V2Request:
    """Decode a V2 request.

    Args:
        body: JSON, with raw tensor bytes after it when `json_length` is given.
        json_length: value of the header Inference-Header-Content-Length.
        shape: (H, W, C), which the model takes.
        reservation: holds the memory of what is decoded.

    Raises:
        RequestRejectedError: it breaks the protocol or does not fit the model.
    """
    split = len(body) if json_length is None else _json_length(json_length, len(body))
    reservation = reservation or MemoryReservation.standalone()
    document = parse_json_object(body if json_length is None else body[:split], reservation)  # no copy of a large one
    parameters = known_parameters(document, "request", REQUEST_PARAMETERS)
    tensor = _only_input(document.get("inputs"), shape)
    dimensions = _dimensions(tensor, shape)
    if json_length is None:
        images = _decode_json_tensor(tensor, dimensions)
    else:
        if len(body) - split > UNCHECKED_BYTES:
            reservation.reserve_decoded(len(body) - split)  # FP32 is copied; UINT8 is not
        images = _decode_binary_tensor(tensor, dimensions, memoryview(body)[split:])
    outputs = requested_outputs(document, bool_parameter(parameters, BINARY_OUTPUT, "request", False))
    return V2Request(images_NHWC=images, id=_request_id(document), outputs=outputs)


def request_for_images(images_NHWC: NDArray[np.uint8]) -> V2Request:
    """The V2 request of a client that sent images alone: all outputs as JSON."""
    return V2Request(images_NHWC=images_NHWC, id=str(uuid.uuid4()), outputs=dict.fromkeys(OUTPUTS, OutputFormat()))


def _json_length(text: str, body_length: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= body_length):
        raise RequestRejectedError(
            f"{JSON_LENGTH_HEADER}: expected the length of the JSON part, at most the body's {body_length} bytes, got "
            f"{short_repr(text)}."
        )
    return int(text)


def _only_input(inputs: Any, shape: Shape) -> dict[str, Any]:
    if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
        raise RequestRejectedError(f'expected "inputs": one tensor named {INPUT}, got {short_repr(inputs)}.')
    names = [tensor.get("name") for tensor in inputs]
    if names != [INPUT]:
        raise RequestRejectedError(
            f"expected one input tensor, named {INPUT}, of shape [N, {', '.join(map(str, shape))}], got "
            f"{short_repr(names)}."
        )
    if inputs[0].get("datatype") not in tuple(DATATYPES):  # a tuple, because what came may be unhashable
        raise _unknown_datatype(inputs[0].get("datatype"))
    return dict(inputs[0])


def _unknown_datatype(found: Any) -> RequestRejectedError:
    advice = ""
    if found == "BYTES":
        advice = (
            ' An image file goes over the V1 protocol, as {"instances": [{"b64": "…"}]}, or is the body itself, with '
            "`Content-Type: image/jpeg`."
        )
    return RequestRejectedError(
        f"{INPUT}: expected datatype UINT8 or FP32, pixels from 0 to 255, got {short_repr(found)}.{advice}"
    )


def _dimensions(tensor: dict[str, Any], shape: Shape) -> Shape:
    found = tensor.get("shape")
    fits = isinstance(found, list) and all(type(size) is int for size in found) and tuple(found[1:]) == shape
    if not isinstance(found, list) or not fits:
        raise RequestRejectedError(
            f"{INPUT}: expected shape [N, {', '.join(map(str, shape))}], got {short_repr(found)}."
        )
    check_instance_count(found[0], INPUT)
    return tuple(found)


def _decode_json_tensor(tensor: dict[str, Any], dimensions: Shape) -> NDArray[np.uint8]:
    if BINARY_SIZE in known_parameters(tensor, INPUT, INPUT_PARAMETERS):
        raise RequestRejectedError(f"{INPUT}: {BINARY_SIZE} needs the header {JSON_LENGTH_HEADER}, which is missing.")
    data = tensor.get("data")
    if not isinstance(data, list):
        raise RequestRejectedError(
            f'{INPUT}: expected "data", a flat or nested list of numbers, got {short_repr(data)}.'
        )
    integers_only = tensor["datatype"] == "UINT8"
    if nesting_depth(data) > 1:
        return pixels_from_lists(data, dimensions, f"{INPUT}.data", integers_only=integers_only)
    if len(data) != math.prod(dimensions):
        raise RequestRejectedError(
            f"{INPUT}.data: expected {math.prod(dimensions)} numbers for shape {list(dimensions)}, got {len(data)}."
        )
    pixels = pixels_from_numbers(data, dimensions[0], f"{INPUT}.data", integers_only=integers_only)
    return pixels.reshape(dimensions)


def _decode_binary_tensor(tensor: dict[str, Any], dimensions: Shape, raw: memoryview) -> NDArray[np.uint8]:
    parameters = known_parameters(tensor, INPUT, INPUT_PARAMETERS)
    if BINARY_SIZE not in parameters and not raw:
        return _decode_json_tensor(tensor, dimensions)  # the header is allowed where no tensor is binary
    if "data" in tensor:
        raise RequestRejectedError(
            f'{INPUT}: expected either "data" or {BINARY_SIZE} with bytes after the JSON, got both.'
        )
    datatype = DATATYPES[tensor["datatype"]]
    expected, announced = math.prod(dimensions) * datatype.itemsize, parameters.get(BINARY_SIZE)
    if type(announced) is not int or announced != expected or len(raw) != expected:
        raise RequestRejectedError(
            f"{INPUT}: expected {expected} bytes for {tensor['datatype']} of shape {list(dimensions)}, "
            f"{BINARY_SIZE} says {short_repr(announced)} and {len(raw)} came after the JSON."
        )
    values = np.frombuffer(raw, datatype).reshape(dimensions)
    return values if datatype.itemsize == 1 else pixels_from_floats(values, INPUT)


def _request_id(document: dict[str, Any]) -> str:
    found = document.get("id")
    if found is not None and not isinstance(found, str):
        raise RequestRejectedError(f"expected id to be a text, got {short_repr(found)}.")
    return found or str(uuid.uuid4())
