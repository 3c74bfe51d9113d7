"""A V2 request and its response as messages of gRPC; they mean what their JSON forms mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.grpc.messages import pb
from forebay.serving.protocol.json_text import MAX_VALUES, UNCHECKED_BYTES, VALUE_BYTES
from forebay.serving.protocol.names import INPUT, WARNINGS
from forebay.serving.protocol.parameters import (
    BINARY_OUTPUT,
    BINARY_SIZE,
    INPUT_PARAMETERS,
    REQUEST_PARAMETERS,
    bool_parameter,
    known_parameters,
)
from forebay.serving.protocol.prediction import BatchPrediction
from forebay.serving.protocol.unlike_images import joined_warnings
from forebay.serving.protocol.v2_input import (
    InputTensor,
    TargetImages,
    check_input,
    images_from_raw,
    images_from_values,
    raw_size,
)
from forebay.serving.protocol.v2_outputs import encode_output, requested_outputs
from forebay.serving.protocol.v2_request import V2Request, request_id
from forebay.serving.rejection import RequestRejectedError, short_repr

CONTENTS = {  # datatype of a tensor: the field of its contents
    "UINT8": "uint_contents",
    "FP32": "fp32_contents",
    "INT64": "int64_contents",
    "BYTES": "bytes_contents",
}


@dataclass(frozen=True)
class MessageRequest:
    """A decoded request, and whether its response has raw contents; a message has them for all outputs or for none."""

    request: V2Request
    raw_outputs: bool


def decode_message(message: Any, target: TargetImages) -> MessageRequest:
    """Decode a request.

    The response has raw contents where the request had them, unless its parameters say otherwise.

    Raises:
        RequestRejectedError: it breaks the protocol or does not fit the model.
    """
    parameters = known_parameters(_with_parameters(message), "request", REQUEST_PARAMETERS)
    inputs = [
        _with_parameters(tensor) | {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        for tensor in message.inputs
    ]
    tensor = check_input(inputs, target.shape)
    announced = known_parameters(tensor.document, INPUT, INPUT_PARAMETERS).get(BINARY_SIZE)
    if message.raw_input_contents:
        images = _images_from_raw(message, tensor, announced, target)
    else:
        images = _images_from_contents(message.inputs[0].contents, tensor, target)
    binary = bool_parameter(parameters, BINARY_OUTPUT, "request", bool(message.raw_input_contents))
    wanted = [_with_parameters(output) | {"name": output.name} for output in message.outputs]
    outputs = requested_outputs({"outputs": wanted}, binary)
    request = V2Request(images_NHWC=images, id=request_id(message.id), outputs=outputs)
    return MessageRequest(request, any(wanted.binary for wanted in outputs.values()))


def encode_message(decoded: MessageRequest, prediction: BatchPrediction) -> bytes:
    """The response with the outputs that a request asks for, serialized."""
    response = pb.ModelInferResponse(
        model_name=prediction.model, model_version=prediction.version, id=decoded.request.id
    )
    if prediction.warnings:
        response.parameters[WARNINGS].string_param = joined_warnings(prediction.warnings)
    for name, output_format in decoded.request.outputs.items():
        output, raw = encode_output(name, prediction, replace(output_format, binary=decoded.raw_outputs))
        tensor = response.outputs.add(name=name, datatype=output["datatype"], shape=output["shape"])
        if decoded.raw_outputs:
            response.raw_output_contents.append(raw)
        else:
            values = [value.encode() if isinstance(value, str) else value for value in output["data"]]
            getattr(tensor.contents, CONTENTS[tensor.datatype]).extend(values)
    return response.SerializeToString()  # type: ignore[no-any-return]


def _with_parameters(owner: Any) -> dict[str, Any]:
    """The parameters of a message as JSON would have them; a value of a kind that the protocol lacks is None."""
    found: Mapping[str, Any] = owner.parameters
    if not found:
        return {}
    choices = {name: (value, value.WhichOneof("parameter_choice")) for name, value in found.items()}
    return {"parameters": {name: getattr(value, kind) if kind else None for name, (value, kind) in choices.items()}}


def _images_from_raw(message: Any, tensor: InputTensor, announced: Any, target: TargetImages) -> NDArray[np.uint8]:
    if len(message.raw_input_contents) != 1 or message.inputs[0].HasField("contents"):
        raise RequestRejectedError(
            f"{INPUT}: expected its contents or one of raw_input_contents, got {len(message.raw_input_contents)} of "
            f"these{' and contents' if message.inputs[0].HasField('contents') else ''}."
        )
    raw = memoryview(message.raw_input_contents[0])
    expected = raw_size(tensor)
    if len(raw) != (len(raw) if expected is None else expected) or announced not in (None, len(raw)):
        raise RequestRejectedError(
            f"{INPUT}: expected {len(raw) if expected is None else expected} bytes for {tensor.datatype} of shape "
            f"{list(tensor.dimensions)}, got {len(raw)} as raw_input_contents"
            f"{'' if announced is None else f', and {BINARY_SIZE} says {short_repr(announced)}'}."
        )
    return images_from_raw(tensor, raw, target)


def _images_from_contents(contents: Any, tensor: InputTensor, target: TargetImages) -> NDArray[np.uint8]:
    values = getattr(contents, CONTENTS[tensor.datatype])
    if len(values) > MAX_VALUES:
        raise RequestRejectedError(
            f"{INPUT}: expected contents of at most {MAX_VALUES} values, got {len(values)}. Send the images as "
            "raw_input_contents or as files, or fewer at once.",
            413,
        )
    if len(values) * VALUE_BYTES > UNCHECKED_BYTES:
        target.reservation.reserve_decoded(len(values) * VALUE_BYTES)
    return images_from_values(tensor, list(values), target)
