"""Every invalid request gets a 4xx response that says what was expected, and the server goes on."""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support.tiny_inference_server import Reply, RunningServer

V1 = "/v1/models/grey:predict"
V2 = "/v2/models/grey/infer"
GENERATED = settings(max_examples=100, deadline=None, derandomize=True)

WORDS = [
    "v1",
    "v2",
    "models",
    "grey",
    "nobody",
    "infer",
    "grey:predict",
    "grey:explain",
    "versions",
    "3",
    "repository",
    "load",
    "health",
    "%00",
    "..",
    "%2F",
    "%E9",
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def _refused(reply: Reply, *statuses: int) -> str:
    """The message of a 4xx response, which has the form of every error."""
    assert 400 <= reply.status < 500, (reply.status, reply.body[:200])
    assert not statuses or reply.status in statuses, reply.body
    message = reply.json["error"]
    assert isinstance(message, str)
    assert len(message) > 10
    return message


def _image(value: Any = 1) -> list[Any]:
    return [[value] * 8 for _ in range(8)]


def _tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 8, 1], "data": [1] * 64} | changes


def _encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


@GENERATED
@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_request(server: RunningServer, body: bytes) -> None:
    _refused(server.post(V1, body), 400)
    _refused(server.post(V2, body), 400)


@GENERATED
@given(document=JSON, instances=JSON)
def test_json_that_is_no_request(server: RunningServer, document: Any, instances: Any) -> None:
    _refused(server.post(V1, _encoded(document)), 400)
    _refused(server.post(V1, _encoded({"instances": instances})), 400)
    _refused(server.post(V2, _encoded({"inputs": instances})), 400)


@GENERATED
@given(
    row=st.integers(0, 7),
    column=st.integers(0, 7),
    value=LEAVES.filter(lambda value: type(value) not in (int, float) or not 0 <= value <= 255) | st.just([1]),
)
def test_one_wrong_pixel(server: RunningServer, row: int, column: int, value: Any) -> None:
    image = _image()
    image[row][column] = value
    _refused(server.post(V1, _encoded({"instances": [_image(), image]})), 400)
    flat = [value if index == row * 8 + column else 1 for index in range(64)]
    _refused(server.post(V2, _encoded({"inputs": [_tensor(data=flat)]})), 400)


@GENERATED
@given(key=st.sampled_from(["name", "datatype", "shape", "data", "parameters"]), value=JSON)
def test_one_wrong_field_of_a_tensor(server: RunningServer, key: str, value: Any) -> None:
    reply = server.post(V2, _encoded({"inputs": [_tensor(**{key: value})]}))
    harmless = key == "parameters" and (value is None or isinstance(value, dict))
    if not harmless:
        _refused(reply, 400)


@GENERATED
@given(
    header=st.integers(-2, 400).map(str) | st.text("0123456789abc+ .x", max_size=24),
    said=st.integers(-1, 200) | LEAVES,
    tail=st.integers(0, 200),
    datatype=st.sampled_from(["UINT8", "FP32"]),
)
def test_lies_about_byte_lengths(server: RunningServer, header: str, said: Any, tail: int, datatype: str) -> None:
    tensor = {"name": "pixels", "datatype": datatype, "shape": [1, 8, 8, 1], "parameters": {"binary_data_size": said}}
    head = _encoded({"inputs": [tensor]})
    size = 64 if datatype == "UINT8" else 256
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": header.strip()}
    if (header.strip(), said, tail) != (str(len(head)), size, size):
        _refused(server.post(V2, head + b"\0" * tail, headers), 400)
    right = headers | {"Inference-Header-Content-Length": str(len(head))}
    if (said, tail) != (size, size):
        _refused(server.post(V2, head + b"\0" * tail, right), 400)


@GENERATED
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "POST", "HEAD", "OPTIONS"]),
    path=st.lists(st.sampled_from(WORDS), max_size=6).map("/".join),
)
def test_paths_and_methods_that_do_not_exist(server: RunningServer, method: str, path: str) -> None:
    reply = server.request(method, f"/{path}")
    assert reply.status < 500
    if reply.status >= 400 and method != "HEAD":
        _refused(reply)


HEADERS = ["Content-Type", "Accept", "Inference-Header-Content-Length", "Content-Encoding"]
WHOLE_VALUES = st.one_of(
    st.binary(max_size=24),
    st.text(st.characters(max_codepoint=255), max_size=24).map(lambda text: text.encode("latin-1")),
    st.sampled_from([b"\xff", b"text/plain; version=abc", b"text/plain; version=", b"application/json; \xff", b"\xb2"]),
)


@GENERATED
@given(name=st.sampled_from(HEADERS), value=WHOLE_VALUES.filter(lambda value: not set(value) & set(b"\r\n")))
def test_values_of_headers(server: RunningServer, name: str, value: bytes) -> None:
    body = _encoded({"inputs": [_tensor()]})
    for reply in (
        server.post(V2, body, {name: value.decode("latin-1")}),
        server.request("GET", "/metrics", headers={name: value.decode("latin-1")}),
    ):
        assert reply.status < 500, reply.body[:200]
        if reply.status >= 400:
            _refused(reply)


def test_a_content_type_that_is_no_utf_8_is_shown(server: RunningServer) -> None:
    assert "ÿ" in (_refused(server.post(V1, b"{}", {"Content-Type": "\xff"}), 415))


def test_metrics_come_whatever_form_is_wished(server: RunningServer) -> None:
    reply = server.request("GET", "/metrics", headers={"Accept": "text/plain; version=abc"})
    assert reply.status == 200
    assert b"forebay_requests_total" in reply.body


DOCUMENTS: dict[str, tuple[Any, str]] = {
    "no instances": ({}, "instances"),
    "empty instances": ({"instances": []}, "1 to 4096"),
    "too many": ({"instances": [0] * 5000}, "1 to 4096"),
    "ragged": ({"instances": [[[1] * 8] * 7 + [[1] * 7]]}, "7 and 8"),
    "too small": ({"instances": [[[1] * 7] * 8]}, "[1, 8, 8]"),
    "too deep": ({"instances": [[[[[1]] * 8] * 8]]}, "[1, 8, 8, 1]"),
    "flat": ({"instances": [[1] * 64]}, "[1, 8, 8, 1]"),
    "text": ({"instances": [_image("1")]}, "'1'"),
    "null": ({"instances": [_image(None)]}, "None"),
    "true": ({"instances": [_image(True)]}, "True"),
    "negative": ({"instances": [_image(-1)]}, "0 to 255, got -1"),
    "above": ({"instances": [_image(256)]}, "256"),
    "above in floats": ({"instances": [_image(255.5)]}, "255.5"),
    "mixed kinds": ({"instances": [_image(), {"b64": ""}]}, "all of one kind"),
    "another object": ({"instances": [{"pixels": _image()}]}, "b64"),
    "b64 and more": ({"instances": [{"b64": "", "x": 1}]}, "b64"),
    "b64 a number": ({"instances": [{"b64": 5}]}, "b64"),
    "b64 not base64": ({"instances": [{"b64": "&&&&"}]}, "base64"),
    "b64 empty": ({"instances": [{"b64": ""}]}, "empty"),
    "b64 text file": ({"instances": [{"b64": base64.b64encode(b"hello").decode()}]}, "instances[0]"),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_v1_says_what_was_expected(server: RunningServer, case: str) -> None:
    document, words = DOCUMENTS[case]
    assert words in _refused(server.post(V1, _encoded(document)), 400)


TENSORS: dict[str, tuple[Any, str]] = {
    "no inputs": ({}, "pixels"),
    "two inputs": ({"inputs": [_tensor(), _tensor()]}, "one input tensor"),
    "another name": ({"inputs": [_tensor(name="x")]}, "named pixels"),
    "datatype": ({"inputs": [_tensor(datatype="INT64")]}, "UINT8 or FP32"),
    "unhashable datatype": ({"inputs": [_tensor(datatype=[])]}, "UINT8 or FP32"),
    "rank": ({"inputs": [_tensor(shape=[1, 64])]}, "[N, 8, 8, 1]"),
    "shape of bool": ({"inputs": [_tensor(shape=[True, 8, 8, 1])]}, "[N, 8, 8, 1]"),
    "no rows": ({"inputs": [_tensor(shape=[0, 8, 8, 1], data=[])]}, "1 to 4096"),
    "huge": ({"inputs": [_tensor(shape=[2**40, 8, 8, 1])]}, "1 to 4096"),
    "negative": ({"inputs": [_tensor(shape=[-1, 8, 8, 1])]}, "1 to 4096"),
    "too few": ({"inputs": [_tensor(data=[1] * 63)]}, "64 numbers"),
    "fractions": ({"inputs": [_tensor(data=[1.5] * 64)]}, "whole numbers"),
    "binary without header": ({"inputs": [_tensor(parameters={"binary_data_size": 64})]}, "Inference-Header"),
    "parameters": ({"inputs": [_tensor(parameters=[])]}, "parameters"),
    "unknown output": ({"inputs": [_tensor()], "outputs": [{"name": "logits"}]}, "label_name"),
    "twice the same output": ({"inputs": [_tensor()], "outputs": [{"name": "label"}, {"name": "label"}]}, "each once"),
    "outputs no list": ({"inputs": [_tensor()], "outputs": "label"}, "outputs"),
    "id": ({"inputs": [_tensor()], "id": 5}, "id"),
    "flag": ({"inputs": [_tensor()], "parameters": {"binary_data_output": "yes"}}, "true or false"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_v2_says_what_was_expected(server: RunningServer, case: str) -> None:
    document, words = TENSORS[case]
    assert words in _refused(server.post(V2, _encoded(document)), 400)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"instances":' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_deep_nesting(server: RunningServer, body: bytes) -> None:
    assert "JSON" in _refused(server.post(V1, body), 400)
    assert "JSON" in _refused(server.post(V2, body), 400)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 400])
def test_numbers_that_are_none(server: RunningServer, number: str) -> None:
    body = _encoded({"instances": [_image(0)]}).replace(b"0", number.encode(), 1)
    _refused(server.post(V1, body), 400)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, 256])
def test_binary_floats_out_of_range(server: RunningServer, value: float) -> None:
    raw = np.full(64, value, "<f4").tobytes()
    tensor = {"name": "pixels", "datatype": "FP32", "shape": [1, 8, 8, 1], "parameters": {"binary_data_size": 256}}
    head = _encoded({"inputs": [tensor]})
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    assert "0 to 255" in _refused(server.post(V2, head + raw, headers), 400)


def _bomb(side: int) -> str:
    """A PNG of a few kilobytes whose header claims side x side pixels."""
    small = io.BytesIO()
    Image.new("1", (8, 8)).save(small, "PNG")
    png = bytearray(small.getvalue())
    png[16:24] = side.to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return base64.b64encode(bytes(png)).decode()


@pytest.mark.parametrize("side", [10_000, 50_000, 2**31 - 1])
def test_image_bombs_are_refused_by_their_header(server: RunningServer, side: int) -> None:
    assert "too_large" in _refused(server.post(V1, _encoded({"instances": [{"b64": _bomb(side)}]})), 400)


def test_many_images_share_one_limit_of_pixels(server: RunningServer) -> None:
    large = io.BytesIO()
    Image.new("1", (5000, 5000)).save(large, "PNG")
    image = {"b64": base64.b64encode(large.getvalue()).decode()}
    assert "instances[2]" in _refused(server.post(V1, _encoded({"instances": [image] * 3})), 400)


def test_an_unknown_model_is_answered_with_those_there_are(server: RunningServer) -> None:
    for path in ("/v1/models/nobody:predict", "/v2/models/nobody/infer", "/v2/models/nobody/versions/1/infer"):
        assert "colour, grey" in _refused(server.post(path, b"{}"), 404)
    for path in ("/v1/models/nobody", "/v2/models/nobody", "/v2/models/nobody/ready", "/v2/models/grey/versions/8"):
        _refused(server.request("GET", path), 404)
    assert "Traceback" not in server.log.read_text(), "what a client asks for is no fault of the server"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_answered_with_the_right_one(server: RunningServer, method: str) -> None:
    reply = server.request(method, V1, b"{}")
    assert "POST" in _refused(reply, 405)
    assert reply.headers["allow"] == "POST"


@pytest.mark.parametrize("media", ["multipart/form-data", "text/html", "application/xml"])
def test_unsupported_media(server: RunningServer, media: str) -> None:
    assert "application/json" in _refused(server.post(V1, b"{}", {"Content-Type": media}), 415)


def test_models_are_not_loaded_or_unloaded_over_http(server: RunningServer) -> None:
    for action in ("load", "unload"):
        assert "forebay run" in _refused(server.post(f"/v2/repository/models/grey/{action}", b""), 403)
    assert server.request("GET", "/v1/models/grey").status == 200


def test_paths_of_the_sdk_that_would_fail_are_not_reached(server: RunningServer) -> None:
    _refused(server.post("/v1/models/grey:explain", b"{}"), 404)
    _refused(server.request("GET", "/nothing/here"), 404)
    _refused(server.request("GET", "/v2/models/nobody"), 404)
