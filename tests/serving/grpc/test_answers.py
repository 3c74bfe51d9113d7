"""Inference over gRPC: the answers and the refusals of REST, whichever contents a request has."""

import base64
import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from forebay.models import Classifier
from support.grpc_calls import HTTP_STATUS, ask_rest, infer, message
from support.tiny_inference_server import RunningServer

PIXELS = np.random.default_rng(5).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
BLACK = np.zeros((1, 8, 8, 1), np.uint8)
CLOSE = 1e-6  # a float32 as JSON, and as itself


def _tensor(data: Any, rows: int = 2, datatype: str = "UINT8", **more: Any) -> dict[str, Any]:
    return {"name": "pixels", "datatype": datatype, "shape": [rows, 8, 8, 1], "data": data} | more


def _request(values: np.ndarray[Any, Any], **more: Any) -> dict[str, Any]:
    kind = "UINT8" if values.dtype == np.uint8 else "FP32"
    return {"id": "mine", "inputs": [_tensor(values.ravel().tolist(), len(values), kind)]} | more


def _assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {**found, "outputs": []} == {**expected, "outputs": []}
    for ours, theirs in zip(found["outputs"], expected["outputs"], strict=True):
        assert {**ours, "data": []} == {**theirs, "data": []}
        if theirs["datatype"] == "FP32":
            np.testing.assert_allclose(ours["data"], theirs["data"], atol=CLOSE)
        else:
            assert ours["data"] == theirs["data"]


REQUESTS: dict[str, dict[str, Any]] = {
    "all outputs": _request(PIXELS),
    "FP32": _request(PIXELS.astype(np.float32)),
    "one output": _request(PIXELS, outputs=[{"name": "label_name"}]),
    "two outputs in another order": _request(PIXELS, outputs=[{"name": "probabilities"}, {"name": "label"}]),
    "the most probable classes": _request(
        PIXELS, outputs=[{"name": "probabilities", "parameters": {"classification": 3}}]
    ),
    "an image unlike the training images": _request(np.concatenate([PIXELS, BLACK])),
    "parameters that do not matter": _request(PIXELS, parameters={"priority": 1, "sequence_start": True}),
}


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "contents"])
@pytest.mark.parametrize("case", REQUESTS)
def test_grpc_answers_as_rest_does(grpc_server: RunningServer, grpc_port: int, case: str, raw: bool) -> None:
    document = REQUESTS[case]
    status, expected = ask_rest(grpc_server, document)
    assert status == 200
    tensor = document["inputs"][0]
    kind = np.uint8 if tensor["datatype"] == "UINT8" else np.dtype("<f4")
    content = np.array(tensor["data"], kind).tobytes() if raw else None
    _assert_same(infer(grpc_port, message(document, raw=content)), expected)


def test_the_response_has_raw_contents_where_the_request_had_them_or_asks_for_them(
    grpc_server: RunningServer, grpc_port: int, channel: Any, grey: Classifier
) -> None:
    from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

    ask = GRPCInferenceServiceStub(channel).ModelInfer
    raw, document = PIXELS.tobytes(), _request(PIXELS, outputs=[{"name": "probabilities"}])
    as_sent = ask(message(document, raw=raw))
    found = np.frombuffer(as_sent.raw_output_contents[0], "<f4").reshape(2, 10)
    np.testing.assert_allclose(found, grey.predict(PIXELS), atol=CLOSE)
    assert not as_sent.outputs[0].contents.fp32_contents
    typed = ask(message(document))
    assert not typed.raw_output_contents
    np.testing.assert_allclose(np.reshape(typed.outputs[0].contents.fp32_contents, (2, 10)), found, atol=CLOSE)
    for value in (True, False):
        other = message(document | {"parameters": {"binary_data_output": value}}, raw=None if value else raw)
        assert len(ask(other).raw_output_contents) == value


def _file(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_image_files_are_decoded_alike_over_both_in_every_form(
    grpc_server: RunningServer, grpc_port: int, shape: list[int]
) -> None:
    files = [_file(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)) for seed in (1, 2)]
    tensor = {"name": "pixels", "datatype": "BYTES", "shape": shape}
    texts = [base64.b64encode(file).decode() for file in files]
    status, expected = ask_rest(grpc_server, {"id": "mine", "inputs": [tensor | {"data": texts}]})
    assert status == 200, expected
    assert "colours were made grey" in expected["parameters"]["warnings"]
    raw = b"".join(struct.pack("<I", len(file)) + file for file in files)
    document = {"id": "mine", "inputs": [tensor | {"data": files}]}
    _assert_same(infer(grpc_port, message(document)), expected)
    _assert_same(infer(grpc_port, message(document, raw=raw)), expected)


REFUSED: dict[str, dict[str, Any]] = {
    "shape": {"inputs": [_tensor([1] * 32) | {"shape": [1, 4, 8, 1]}]},
    "no image": {"inputs": [_tensor([], 0)]},
    "too few numbers": {"inputs": [_tensor([1] * 63, 1)]},
    "range": {"inputs": [_tensor([256] * 64, 1)]},
    "fractions of 1": _request(np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)),
    "datatype": {"inputs": [_tensor([1] * 64, 1, "INT64")]},
    "name": {"inputs": [_tensor([1] * 64, 1) | {"name": "images"}]},
    "no input": {"inputs": []},
    "two inputs": {"inputs": [_tensor([1] * 64, 1)] * 2},
    "unknown output": _request(PIXELS, outputs=[{"name": "logits"}]),
    "unknown parameter": _request(PIXELS, parameters={"beam": 3}),
    "misplaced parameter": _request(PIXELS, parameters={"classification": 3}),
    "no number of classes": _request(PIXELS, outputs=[{"name": "probabilities", "parameters": {"classification": 0}}]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_grpc_refuses_what_rest_refuses_in_the_same_words(
    grpc_server: RunningServer, grpc_port: int, case: str
) -> None:
    status, expected = ask_rest(grpc_server, REFUSED[case])
    found = infer(grpc_port, message(REFUSED[case]))
    assert status in HTTP_STATUS[found["code"]]
    assert found["error"] == expected["error"]


def test_an_unknown_model_and_another_version_are_refused_in_the_same_words(
    grpc_server: RunningServer, grpc_port: int
) -> None:
    document = _request(PIXELS)
    found = infer(grpc_port, message(document, model="nobody"))
    assert (found["error"], 404) == (ask_rest(grpc_server, document, "nobody")[1]["error"], 404)
    request = message(document)
    request.model_version = "8"
    found = infer(grpc_port, request)
    assert found["error"] == ask_rest(grpc_server, document, "grey/versions/8")[1]["error"]
    assert HTTP_STATUS[found["code"]] == (404,)
    request.model_version = "7"
    assert infer(grpc_port, request)["model_version"] == "7"


RAW_REFUSED = {
    "too short": (PIXELS.tobytes()[:-1], {}, "expected 128 bytes for UINT8 of shape [2, 8, 8, 1], got 127"),
    "announced otherwise": (PIXELS.tobytes(), {"binary_data_size": 5}, "binary_data_size says 5"),
}


@pytest.mark.parametrize("case", RAW_REFUSED)
def test_raw_contents_of_another_length_are_refused_with_both(
    grpc_server: RunningServer, grpc_port: int, case: str
) -> None:
    raw, parameters, words = RAW_REFUSED[case]
    found = infer(grpc_port, message({"inputs": [_tensor([], parameters=parameters)]}, raw=raw))
    assert words in found["error"]


def test_contents_beside_raw_contents_are_refused(grpc_server: RunningServer, grpc_port: int) -> None:
    request = message(_request(PIXELS))
    request.raw_input_contents.append(PIXELS.tobytes())
    assert "its contents or one of raw_input_contents" in infer(grpc_port, request)["error"]


def test_a_cut_file_tensor_is_refused(grpc_server: RunningServer, grpc_port: int) -> None:
    document = {"inputs": [{"name": "pixels", "datatype": "BYTES", "shape": [2]}]}
    for raw, ends in ((struct.pack("<I", 3) + b"abc", "early"), (struct.pack("<II", 0, 0) + b"x", "later")):
        found = infer(grpc_port, message(document, raw=raw))
        assert (
            f"each after its length in 4 bytes (little-endian), got {len(raw)} bytes that end {ends}" in found["error"]
        )
