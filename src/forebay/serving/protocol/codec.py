"""The inference protocols on the wire, V1 and V2 (JSON and binary tensors). Pure functions: bytes in, bytes out.

Specification: https://kserve.github.io/website (V1 and Open Inference Protocol with its binary tensor extension).
Tensors are read and written as whole buffers; nothing here walks over pixels in Python.
"""

import math
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from forebay.images import ImagePreparation
from forebay.serving.admission.inflight import Claim
from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.protocol.encode import INPUT
from forebay.serving.protocol.outputs import OUTPUTS, Form, Prediction, encode_output, wanted_outputs
from forebay.serving.protocol.parameters import (
    BINARY_OUTPUT,
    BINARY_SIZE,
    OF_INPUT,
    OF_REQUEST,
    flag,
    known_parameters,
)
from forebay.serving.protocol.pixels import (
    Shape,
    check_count,
    depth,
    from_files,
    from_floats,
    from_lists,
    from_numbers,
)
from forebay.serving.protocol.text import CHECKED_BYTES, json_object

DATATYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}


@dataclass(frozen=True, kw_only=True)
class InferRequest:
    """A decoded V2 request."""

    images_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix
    id: str
    wanted: dict[str, Form] = field(default_factory=dict)  # outputs in order


def decode_v1(
    body: bytes, shape: Shape, preparation: ImagePreparation, claim: Claim | None = None
) -> NDArray[np.uint8]:
    """Images (N, H, W, C) of a V1 request for a model that takes `shape` (H, W, C).

    `preparation` says how image files are brought to that shape; `claim` takes the memory for them.

    Raises:
        RefusedError: anything else than instances that are all pixel arrays or all `{"b64": …}` objects.
    """
    claim = claim or Claim.of_nobody()
    instances = json_object(body, claim).get("instances")
    expected = f'"instances", a list of pixel arrays of shape {_shapes(shape)} with 0 to 255, or of {{"b64": "…"}}'
    if not isinstance(instances, list):
        raise RefusedError(f"expected {expected}, got instances: {shown(instances)}.")
    check_count(len(instances), "instances")
    kinds = set(map(type, instances))
    if kinds == {dict}:
        return from_files(instances, shape, "instances", preparation, claim)
    if kinds != {list}:
        raise RefusedError(f"expected {expected}, all of one kind, got {shown(instances)}.")
    grey = shape[2] == 1 and depth(instances) == 3
    pixels = from_lists(instances, (len(instances), *(shape[:2] if grey else shape)), "instances")
    return pixels.reshape(-1, *shape)


def encode_v1(prediction: Prediction) -> bytes:
    """The V1 answer: one object per instance."""
    rows = [
        {
            "label": label,
            "label_name": prediction.classes[label],
            "probabilities": probabilities,
            "model_version": prediction.version,
        }
        for label, probabilities in zip(prediction.labels.tolist(), prediction.probabilities, strict=True)
    ]
    return orjson.dumps({"predictions": rows}, option=orjson.OPT_SERIALIZE_NUMPY)


def decode_v2(body: bytes, header_length: str | None, shape: Shape, claim: Claim | None = None) -> InferRequest:
    """Decode a V2 request for a model that takes images of `shape` (H, W, C).

    Args:
        body: JSON, with raw tensor bytes after it when `header_length` is given.
        header_length: value of the header Inference-Header-Content-Length.
        shape: of one image.
        claim: takes the memory for what the body is decoded to.

    Raises:
        RefusedError: it breaks the protocol or does not fit the model.
    """
    split = len(body) if header_length is None else _header_length(header_length, len(body))
    claim = claim or Claim.of_nobody()
    document = json_object(body if header_length is None else body[:split], claim)  # no copy of a large one
    parameters = known_parameters(document, "request", OF_REQUEST)
    tensor = _only_input(document.get("inputs"), shape)
    dimensions = _dimensions(tensor, shape)
    if header_length is None:
        images = _json_tensor(tensor, dimensions)
    else:
        if len(body) - split > CHECKED_BYTES:
            claim.decoded(len(body) - split)  # a copy, where the numbers are no bytes
        images = _binary_tensor(tensor, dimensions, memoryview(body)[split:])
    wanted = wanted_outputs(document, flag(parameters, BINARY_OUTPUT, "request", False))
    return InferRequest(images_NHWC=images, id=_request_id(document), wanted=wanted)


def decode_image(
    body: bytes, shape: Shape, preparation: ImagePreparation, claim: Claim | None = None
) -> NDArray[np.uint8]:
    """The image (1, H, W, C) of a request whose body is an image file.

    Raises:
        RefusedError: it is none.
    """
    return from_files([bytes(body)], shape, "body", preparation, claim)


def plain_request(images_NHWC: NDArray[np.uint8]) -> InferRequest:
    """The V2 request of a client that sent nothing but images: all outputs as JSON."""
    return InferRequest(images_NHWC=images_NHWC, id=str(uuid.uuid4()), wanted=dict.fromkeys(OUTPUTS, Form()))


def encode_v2(request: InferRequest, prediction: Prediction) -> tuple[bytes, int | None]:
    """The V2 answer.

    Returns:
        The body and, where binary tensors follow the JSON, the length of the JSON part.
    """
    outputs, tail = [], []
    for name, form in request.wanted.items():
        output, raw = encode_output(name, prediction, form)
        outputs.append(output)
        tail.append(raw)
    head = orjson.dumps(
        {
            "model_name": prediction.model,
            "model_version": prediction.version,
            "id": request.id,
            "outputs": outputs,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    binary = any(form.binary for form in request.wanted.values())
    return (b"".join([head, *tail]), len(head)) if binary else (head, None)


def _shapes(shape: Shape) -> str:
    return f"{list(shape)} or {list(shape[:2])}" if shape[2] == 1 else str(list(shape))


def _header_length(text: str, body_length: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= body_length):
        raise RefusedError(
            f"Inference-Header-Content-Length: expected the length of the JSON part, at most the body's {body_length} "
            f"bytes, got {shown(text)}."
        )
    return int(text)


def _only_input(inputs: Any, shape: Shape) -> dict[str, Any]:
    if not isinstance(inputs, list) or not all(isinstance(tensor, dict) for tensor in inputs):
        raise RefusedError(f'expected "inputs": one tensor named {INPUT}, got {shown(inputs)}.')
    names = [tensor.get("name") for tensor in inputs]
    if names != [INPUT]:
        raise RefusedError(
            f"expected one input tensor, named {INPUT}, of shape [N, {', '.join(map(str, shape))}], got {shown(names)}."
        )
    if inputs[0].get("datatype") not in tuple(DATATYPES):  # a tuple, because what came may be unhashable
        raise _other_datatype(inputs[0].get("datatype"))
    return dict(inputs[0])


def _other_datatype(found: Any) -> RefusedError:
    files = ""
    if found == "BYTES":
        files = (
            ' An image file goes over the V1 protocol, as {"instances": [{"b64": "…"}]}, or is the body itself, with '
            "`Content-Type: image/jpeg`."
        )
    return RefusedError(f"{INPUT}: expected datatype UINT8 or FP32, pixels from 0 to 255, got {shown(found)}.{files}")


def _dimensions(tensor: dict[str, Any], shape: Shape) -> Shape:
    found = tensor.get("shape")
    fits = isinstance(found, list) and all(type(size) is int for size in found) and tuple(found[1:]) == shape
    if not isinstance(found, list) or not fits:
        raise RefusedError(f"{INPUT}: expected shape [N, {', '.join(map(str, shape))}], got {shown(found)}.")
    check_count(found[0], INPUT)
    return tuple(found)


def _json_tensor(tensor: dict[str, Any], dimensions: Shape) -> NDArray[np.uint8]:
    if BINARY_SIZE in known_parameters(tensor, INPUT, OF_INPUT):
        raise RefusedError(
            f"{INPUT}: {BINARY_SIZE} needs the header Inference-Header-Content-Length, which is missing."
        )
    data = tensor.get("data")
    if not isinstance(data, list):
        raise RefusedError(f'{INPUT}: expected "data", a flat or nested list of numbers, got {shown(data)}.')
    whole = tensor["datatype"] == "UINT8"
    if depth(data) > 1:
        return from_lists(data, dimensions, f"{INPUT}.data", whole=whole)
    if len(data) != math.prod(dimensions):
        raise RefusedError(
            f"{INPUT}.data: expected {math.prod(dimensions)} numbers for shape {list(dimensions)}, got {len(data)}."
        )
    return from_numbers(data, dimensions[0], f"{INPUT}.data", whole=whole).reshape(dimensions)


def _binary_tensor(tensor: dict[str, Any], dimensions: Shape, raw: memoryview) -> NDArray[np.uint8]:
    parameters = known_parameters(tensor, INPUT, OF_INPUT)
    if BINARY_SIZE not in parameters and not raw:
        return _json_tensor(tensor, dimensions)  # the header is allowed where no tensor is binary
    if "data" in tensor:
        raise RefusedError(f'{INPUT}: expected either "data" or binary_data_size with bytes after the JSON, got both.')
    datatype = DATATYPES[tensor["datatype"]]
    expected, said = math.prod(dimensions) * datatype.itemsize, parameters.get(BINARY_SIZE)
    if type(said) is not int or said != expected or len(raw) != expected:
        raise RefusedError(
            f"{INPUT}: expected {expected} bytes for {tensor['datatype']} of shape {list(dimensions)}, "
            f"binary_data_size says {shown(said)} and {len(raw)} came after the JSON."
        )
    values = np.frombuffer(raw, datatype).reshape(dimensions)
    return values if datatype.itemsize == 1 else from_floats(values, INPUT)


def _request_id(document: dict[str, Any]) -> str:
    found = document.get("id")
    if found is not None and not isinstance(found, str):
        raise RefusedError(f"expected id to be a text, got {shown(found)}.")
    return found or str(uuid.uuid4())
