"""The output tensors of a V2 response: which ones a request asks for, in which format, and how they are encoded."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from forebay.serving.protocol.names import LABEL, LABEL_NAME, OUTPUTS, PROBABILITIES
from forebay.serving.protocol.parameters import (
    BINARY,
    BINARY_SIZE,
    CLASSIFICATION,
    OUTPUT_PARAMETERS,
    bool_parameter,
    known_parameters,
)
from forebay.serving.protocol.prediction import BatchPrediction
from forebay.serving.rejection import RequestRejectedError, short_repr

EncodedOutput = tuple[dict[str, Any], bytes]  # an output as JSON, and the bytes that follow the JSON for it


@dataclass(frozen=True)
class OutputFormat:
    """How a client wants one output."""

    binary: bool = False
    top_classes: int = 0  # above 0, the tensor is replaced by the names of this many most probable classes


def requested_outputs(document: dict[str, Any], binary: bool) -> dict[str, OutputFormat]:
    """The outputs that a request asks for, in its order; all of them where it names none.

    Raises:
        RequestRejectedError: it asks for an unknown output, or for an unknown format.
    """
    wanted = document.get("outputs")
    if wanted is None or wanted == []:
        return dict.fromkeys(OUTPUTS, OutputFormat(binary))
    if not isinstance(wanted, list) or not all(isinstance(output, dict) for output in wanted):
        raise RequestRejectedError(f"expected outputs to be a list of objects with a name, got {short_repr(wanted)}.")
    names = [output.get("name") for output in wanted]
    if any(name not in OUTPUTS for name in names) or len(set(names)) != len(names):
        raise RequestRejectedError(f"expected outputs among {', '.join(OUTPUTS)}, each once, got {short_repr(names)}.")
    return {output["name"]: _output_format(output, output["name"], binary) for output in wanted}


def encode_output(name: str, prediction: BatchPrediction, output_format: OutputFormat) -> EncodedOutput:
    """Encode one output tensor."""
    if output_format.top_classes:
        return _text_tensor(name, _most_probable(prediction, output_format.top_classes), output_format.binary)
    if name == LABEL_NAME:
        return _text_tensor(name, [prediction.classes[label] for label in prediction.labels], output_format.binary)
    array = prediction.labels if name == LABEL else prediction.probabilities
    tensor = {"name": name, "datatype": "INT64" if name == LABEL else "FP32", "shape": list(array.shape)}
    if not output_format.binary:
        return tensor | {"data": array.ravel()}, b""
    return _with_bytes(tensor, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def _output_format(output: dict[str, Any], name: str, binary: bool) -> OutputFormat:
    parameters = known_parameters(output, name, OUTPUT_PARAMETERS)
    top = parameters.get(CLASSIFICATION)
    if top is not None and name != PROBABILITIES:
        raise RequestRejectedError(f"{name}: parameter {CLASSIFICATION} goes with the output {PROBABILITIES} only.")
    if top is not None and (type(top) is not int or top < 1):
        raise RequestRejectedError(
            f"{name}: expected parameter {CLASSIFICATION} to be a number of classes, got {short_repr(top)}."
        )
    return OutputFormat(bool_parameter(parameters, BINARY, name, binary), top or 0)


def _most_probable(prediction: BatchPrediction, top: int) -> list[list[str]]:
    """Triton's classification extension: for each image `value:index:label`, the most probable class first."""
    order = np.argsort(-prediction.probabilities, axis=1, kind="stable")[:, :top]
    return [
        [f"{row[index]:f}:{index}:{prediction.classes[index]}" for index in indices]
        for row, indices in zip(prediction.probabilities.tolist(), order.tolist(), strict=True)
    ]


def _text_tensor(name: str, texts: list[str] | list[list[str]], binary: bool) -> EncodedOutput:
    """A tensor of texts, with one or two axes."""
    rows = [text if isinstance(text, list) else [text] for text in texts]
    shape = [len(texts), *([len(rows[0])] if isinstance(texts[0], list) else [])]
    flat = [text for row in rows for text in row]
    tensor = {"name": name, "datatype": "BYTES", "shape": shape}
    if not binary:
        return tensor | {"data": flat}, b""
    return _with_bytes(tensor, b"".join(struct.pack("<I", len(text)) + text for text in map(str.encode, flat)))


def _with_bytes(tensor: dict[str, Any], raw: bytes) -> EncodedOutput:
    return tensor | {"parameters": {BINARY_SIZE: len(raw)}}, raw
