"""The output tensors of the V2 protocol: which ones a request wants, in which form, and how they are written."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebay.serving.http.refusal import RefusedError, shown
from forebay.serving.protocol.parameters import BINARY, CLASSIFICATION, OF_OUTPUT, flag, known_parameters

LABEL, LABEL_NAME, PROBABILITIES = "label", "label_name", "probabilities"
OUTPUTS = (LABEL, LABEL_NAME, PROBABILITIES)

Tensor = tuple[dict[str, Any], bytes]
"""An output as JSON, and the bytes that follow the JSON for it."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model said, with what is needed to say it to a client."""

    model: str
    version: str
    classes: list[str]
    probabilities: NDArray[np.float32]  # (N, K)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Index of the most probable class, (N,)."""
        labels: NDArray[np.int64] = self.probabilities.argmax(1)
        return labels


@dataclass(frozen=True)
class Form:
    """How a client wants one output."""

    binary: bool = False
    top: int = 0  # so many of the most probable classes in words, in place of the tensor; 0 for the tensor


def wanted_outputs(document: dict[str, Any], binary: bool) -> dict[str, Form]:
    """The outputs that a request asks for, in its order; all of them where it names none.

    Raises:
        RefusedError: an unknown output, or one in a form that is not known.
    """
    wanted = document.get("outputs")
    if wanted is None or wanted == []:
        return dict.fromkeys(OUTPUTS, Form(binary))
    if not isinstance(wanted, list) or not all(isinstance(output, dict) for output in wanted):
        raise RefusedError(f"expected outputs to be a list of objects with a name, got {shown(wanted)}.")
    names = [output.get("name") for output in wanted]
    if any(name not in OUTPUTS for name in names) or len(set(names)) != len(names):
        raise RefusedError(f"expected outputs among {', '.join(OUTPUTS)}, each once, got {shown(names)}.")
    return {output["name"]: _form(output, output["name"], binary) for output in wanted}


def encode_output(name: str, prediction: Prediction, form: Form) -> Tensor:
    """One output tensor."""
    if form.top:
        return _texts(name, _most_probable(prediction, form.top), form.binary)
    if name == LABEL_NAME:
        return _texts(name, [prediction.classes[label] for label in prediction.labels], form.binary)
    array = prediction.labels if name == LABEL else prediction.probabilities
    facts = {"name": name, "datatype": "INT64" if name == LABEL else "FP32", "shape": list(array.shape)}
    if not form.binary:
        return facts | {"data": array.ravel()}, b""
    raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return facts | {"parameters": {"binary_data_size": len(raw)}}, raw


def _form(output: dict[str, Any], name: str, binary: bool) -> Form:
    parameters = known_parameters(output, name, OF_OUTPUT)
    top = parameters.get(CLASSIFICATION)
    if top is not None and name != PROBABILITIES:
        raise RefusedError(f"{name}: parameter {CLASSIFICATION} goes with the output {PROBABILITIES} only.")
    if top is not None and (type(top) is not int or top < 1):
        raise RefusedError(f"{name}: expected parameter {CLASSIFICATION} to be a number of classes, got {shown(top)}.")
    return Form(flag(parameters, BINARY, name, binary), top or 0)


def _most_probable(prediction: Prediction, top: int) -> list[list[str]]:
    """Triton's classification extension: `value:index:label`, the most probable first, of each image."""
    order = np.argsort(-prediction.probabilities, axis=1, kind="stable")[:, :top]
    return [
        [f"{row[index]:f}:{index}:{prediction.classes[index]}" for index in indices]
        for row, indices in zip(prediction.probabilities.tolist(), order.tolist(), strict=True)
    ]


def _texts(name: str, texts: list[str] | list[list[str]], binary: bool) -> Tensor:
    """A tensor of texts, with one or two axes."""
    rows = [text if isinstance(text, list) else [text] for text in texts]
    shape = [len(texts), *([len(rows[0])] if isinstance(texts[0], list) else [])]
    flat = [text for row in rows for text in row]
    facts = {"name": name, "datatype": "BYTES", "shape": shape}
    if not binary:
        return facts | {"data": flat}, b""
    raw = b"".join(struct.pack("<I", len(text)) + text for text in map(str.encode, flat))
    return facts | {"parameters": {"binary_data_size": len(raw)}}, raw
