"""The V2 response."""

from typing import Any

import orjson

from forebay.serving.protocol.names import WARNINGS
from forebay.serving.protocol.prediction import BatchPrediction
from forebay.serving.protocol.unlike_images import joined_warnings
from forebay.serving.protocol.v2_outputs import encode_output
from forebay.serving.protocol.v2_request import V2Request


def encode_v2(request: V2Request, prediction: BatchPrediction) -> tuple[bytes, int | None]:
    """Encode the outputs that a request asks for.

    Returns:
        The body and, where binary tensors follow the JSON, the length of the JSON part.
    """
    outputs, tail = [], []
    for name, output_format in request.outputs.items():
        output, raw = encode_output(name, prediction, output_format)
        outputs.append(output)
        tail.append(raw)
    document: dict[str, Any] = {
        "model_name": prediction.model,
        "model_version": prediction.version,
        "id": request.id,
        "outputs": outputs,
    }
    if prediction.warnings:
        document["parameters"] = {WARNINGS: joined_warnings(prediction.warnings)}  # the protocol knows no lists here
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    binary = any(output_format.binary for output_format in request.outputs.values())
    return (b"".join([head, *tail]), len(head)) if binary else (head, None)
