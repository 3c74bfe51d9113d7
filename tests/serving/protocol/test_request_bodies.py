"""Bodies as people send them: fractions, flavours of base64, image files, compressed bodies and parameters."""

import base64
import gzip
import io
import json
import zlib
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from forebay.images import decode, resize
from forebay.models import Classifier
from support.tiny_inference_server import RunningServer

V1 = "/v1/models/grey:predict"
V2 = "/v2/models/grey/infer"
LIMIT = 1 << 20  # bytes of a body, as the server was started
PIXELS = np.random.default_rng(3).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def _file(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


def _probabilities(model: Classifier, file: bytes) -> list[float]:
    pixels = decode(file, channels=1, max_pixels=10**6)
    found: list[float] = model.predict(resize(pixels, 8, 8)[None])[0].tolist()
    return found


def _tensor(data: Any, rows: int = 1, datatype: str = "FP32") -> dict[str, Any]:
    return {"name": "pixels", "datatype": datatype, "shape": [rows, 8, 8, 1], "data": data}


def _post(server: RunningServer, path: str, document: Any) -> tuple[int, Any]:
    reply = server.post(path, json.dumps(document).encode())
    return reply.status, reply.json


def _binary(server: RunningServer, values: np.ndarray[Any, Any]) -> tuple[int, Any]:
    raw = values.astype("<f4").tobytes()
    tensor = _tensor(None, len(values)) | {"parameters": {"binary_data_size": len(raw)}}
    del tensor["data"]
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    reply = server.post(V2, head + raw, headers)
    return reply.status, reply.json


UNIT = np.linspace(0, 1, 64).reshape(1, 8, 8, 1)
DARK = np.zeros((1, 8, 8, 1))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("scale", [1.0, 0.004, 1.004])  # the last one as resizing and float16 leave it
def test_an_image_of_fractions_within_0_to_1_is_refused_and_named_over_every_protocol(
    server: RunningServer, place: int, scale: float
) -> None:
    images = np.concatenate([DARK, DARK, DARK, DARK + 255])
    images[place] = UNIT[0] * scale
    flat = images.ravel().tolist()
    answers = [
        _post(server, V1, {"instances": images.tolist()}),
        _post(server, V1, {"instances": images[..., 0].tolist()}),
        _post(server, V2, {"inputs": [_tensor(flat, 4)]}),
        _post(server, V2, {"inputs": [_tensor(images.tolist(), 4)]}),
        _post(server, V2, {"inputs": [_tensor(flat, 4, "UINT8")]}),
        _binary(server, images),
    ]
    for status, answer in answers:
        assert status == 400, answer
        assert f"[{place}]: expected pixels from 0 to 255, got fractions within 0..1" in answer["error"]
        assert "Multiply them by 255" in answer["error"]


@pytest.mark.parametrize("image", [DARK, DARK + 1, np.round(UNIT), UNIT * 1.5, UNIT * 255])
def test_whole_zeros_and_ones_and_fractions_above_1_stay_pixels(
    server: RunningServer, grey: Classifier, image: np.ndarray[Any, Any]
) -> None:
    expected = grey.predict(np.rint(image).astype(np.uint8))[0]
    status, answer = _post(server, V1, {"instances": image.tolist()})
    assert status == 200, answer
    np.testing.assert_allclose(answer["predictions"][0]["probabilities"], expected, atol=1e-5)
    for status, answer in (
        _post(server, V2, {"inputs": [_tensor(image.ravel().tolist())]}),
        _binary(server, image),
    ):
        assert status == 200, answer
        np.testing.assert_allclose(answer["outputs"][2]["data"], expected, atol=1e-5)


@pytest.mark.parametrize("image", [UNIT * 2 - 1, (UNIT - 0.485) / 0.229, DARK - 1])
def test_pixels_around_0_are_refused_with_what_to_send(server: RunningServer, image: np.ndarray[Any, Any]) -> None:
    for status, answer in (_post(server, V1, {"instances": image.tolist()}), _binary(server, image)):
        assert status == 400
        assert "expected finite numbers from 0 to 255" in answer["error"]
        assert "as they were before they were scaled or standardized" in answer["error"]


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "BF16", "INT32", "BOOL", "uint8"])
def test_another_datatype_is_answered_with_those_that_are_taken_and_their_range(
    server: RunningServer, datatype: str
) -> None:
    status, answer = _post(server, V2, {"inputs": [_tensor(UNIT.ravel().tolist(), 1, datatype)]})
    assert status == 400
    expected = "expected datatype UINT8 or FP32, pixels from 0 to 255, or BYTES, image files"
    assert f"{expected}, got '{datatype}'" in answer["error"]


def _flavours() -> dict[str, str]:
    plain = base64.b64encode(_file()).decode()
    safe = base64.urlsafe_b64encode(_file()).decode()
    assert set("+/") & set(plain)
    assert set("-_") & set(safe)
    return {
        "plain": plain,
        "without padding": plain.rstrip("="),
        "in lines": "\r\n".join(plain[start : start + 76] for start in range(0, len(plain), 76)) + "\n",
        "url-safe": safe,
        "url-safe without padding": safe.rstrip("="),
        "data URL": f"data:image/png;base64,{plain}",
        "data URL in capitals": f"DATA:image/PNG;BASE64,{plain}",
        "data URL with a name": f"data:image/png;name=cat.png;base64,{plain}",
        "data URL of no type": f"data:;base64,{safe}",
        "data URL with blanks": f" \n data:image/png; base64,\n{plain}\n",
        "data URL with a character set": f"data:image/png;charset=utf-8;base64,{plain}",
        "data URL without semicolon": f"data:base64,{plain}",
        "data URL that is escaped": f"data:image/png;base64,{quote(plain, safe='')}",
    }


@pytest.mark.parametrize("flavour", _flavours())
def test_base64_is_taken_in_every_flavour(server: RunningServer, grey: Classifier, flavour: str) -> None:
    [prediction] = server.predict("grey", [{"b64": _flavours()[flavour]}])
    np.testing.assert_allclose(prediction["probabilities"], _probabilities(grey, _file()), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data:image/svg+xml,%3Csvg/%3E", "a data: URL that is not in base64"),
        ("data:image/png,abcd", "a data: URL that is not in base64"),
        ("https://example.org/cat.png", "is an address"),
        ("s3://bucket/cat.png", "is an address"),
        ("blob:https://example.org/1", "is an address"),
        ("C:\\photos\\cat.png", "is an address"),
        ("iVBO:w0KGgo", "':' at character 4"),
        ("iVBOR*w0KGgo", "'*' at character 5"),
        ("iVBO=Rw0KGgo", "'=' at character 4"),
        ("iVBORw0KGgo===", "'=' at character 11"),
        ("iVBORw0KG", "the text was cut"),
        ("photos/cat.jpg", "'.' at character 10"),
        ("", "the file is empty"),
        ("data:image/png;base64,", "the file is empty"),
    ],
)
def test_what_is_no_base64_of_an_image_is_named(server: RunningServer, text: str, words: str) -> None:
    status, answer = _post(server, V1, {"instances": [{"b64": text}]})
    assert status == 400
    assert answer["error"].startswith("instances[0]: ")
    assert words in answer["error"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_an_image_file_as_body_is_answered_over_both_protocols(
    server: RunningServer, grey: Classifier, kind: str
) -> None:
    file = _file(kind)
    headers = {"Content-Type": f"image/{kind.lower()}"}
    expected = _probabilities(grey, file)
    [prediction] = server.post(V1, file, headers).json["predictions"]
    np.testing.assert_allclose(prediction["probabilities"], expected, atol=1e-5)
    answer = server.post(V2, file, headers).json
    assert [output["name"] for output in answer["outputs"]] == ["label", "label_name", "probabilities"]
    np.testing.assert_allclose(answer["outputs"][2]["data"], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
@pytest.mark.parametrize("media", ["application/x-www-form-urlencoded", "application/octet-stream", "application/json"])
@pytest.mark.parametrize("path", [V1, V2])
def test_an_image_file_under_another_type_is_answered_with_what_to_send(
    server: RunningServer, kind: str, media: str, path: str
) -> None:
    reply = server.post(path, _file(kind), {"Content-Type": media})
    assert reply.status == 400
    assert "--data-binary @FILE -H 'Content-Type: image/" in reply.json["error"]


def test_a_form_is_answered_with_what_to_send(server: RunningServer) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="cat.png"\r\n\r\n' + _file() + b"\r\n--x--\r\n"
    )
    reply = server.post(V1, body, {"Content-Type": "multipart/form-data; boundary=x"})
    assert reply.status == 415
    assert "--data-binary @FILE -H 'Content-Type: image/jpeg'" in reply.json["error"]


@pytest.mark.parametrize("body", [b"", b"{}", _file()[:60]])
def test_a_body_that_is_no_image_though_its_type_says_so_is_refused(server: RunningServer, body: bytes) -> None:
    for path in (V1, V2):
        reply = server.post(path, body, {"Content-Type": "image/png"})
        assert reply.status == 400
        assert "body[0]: expected a PNG or JPEG file" in reply.json["error"]


RAW_DEFLATE = zlib.compressobj(wbits=-15)
REQUEST = json.dumps({"instances": [[[7] * 8] * 8]}).encode()
COMPRESSED = {
    "gzip": gzip.compress(REQUEST, mtime=0),
    "x-gzip": gzip.compress(REQUEST, mtime=0),
    "GZIP": gzip.compress(REQUEST, mtime=0) + b"\0" * 8,  # padded, as tapes were
    "gzip, identity": gzip.compress(REQUEST[:20], mtime=0) + gzip.compress(REQUEST[20:], mtime=0),  # two members
    "deflate": zlib.compress(REQUEST),
    " Deflate ": RAW_DEFLATE.compress(REQUEST) + RAW_DEFLATE.flush(),  # without zlib's header, as some send it
    "identity": REQUEST,
    "": REQUEST,
}


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_compressed_body_is_answered_as_a_plain_one(server: RunningServer, encoding: str) -> None:
    plain = server.post(V1, REQUEST).json
    assert server.post(V1, COMPRESSED[encoding], {"Content-Encoding": encoding}).json == plain


def test_a_compressed_image_is_taken_too(server: RunningServer) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    assert server.post(V1, gzip.compress(_file()), headers).status == 200


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "\xe9"])
def test_another_way_to_compress_is_answered_with_those_that_are_taken(server: RunningServer, encoding: str) -> None:
    reply = server.post(V1, REQUEST, {"Content-Encoding": encoding})
    assert reply.status == 415
    assert "gzip or deflate" in reply.json["error"]
    assert reply.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        REQUEST,
        gzip.compress(REQUEST, mtime=0)[:-9],
        gzip.compress(REQUEST, mtime=0) + b"rest",
        gzip.compress(REQUEST, mtime=0)[:-8] + b"x" * 8,
    ],
)
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_does_not_decompress_is_refused(server: RunningServer, body: bytes, encoding: str) -> None:
    reply = server.post(V1, body, {"Content-Encoding": encoding})
    assert reply.status == 400
    assert f"Content-Encoding {encoding}" in reply.json["error"]


@pytest.mark.parametrize("bomb", [gzip.compress(b" " * (64 << 20)), gzip.compress(b" " * LIMIT) * 2])
def test_a_body_that_grows_beyond_the_limit_is_given_up(server: RunningServer, bomb: bytes) -> None:
    reply = server.post(V1, bomb, {"Content-Encoding": "gzip"})
    assert reply.status == 413
    assert f"{LIMIT} bytes once it is decompressed" in reply.json["error"]
    assert (
        server.post(V1, gzip.compress(REQUEST + b" " * (LIMIT - len(REQUEST))), {"Content-Encoding": "gzip"}).status
        == 200
    )


def test_many_small_members_cost_no_more_than_their_bytes(server: RunningServer) -> None:
    member = gzip.compress(b"", mtime=0)
    few = member * (1 << 13) + gzip.compress(REQUEST)
    assert server.post(V1, few, {"Content-Encoding": "gzip"}).status == 200
    reply = server.post(V1, member * ((1 << 14) + 1), {"Content-Encoding": "gzip"})
    assert reply.status == 400
    assert "more than 16384 members" in reply.json["error"]


def test_padding_between_members_is_passed_over(server: RunningServer) -> None:
    body = gzip.compress(REQUEST[:20]) + bytes(9) + gzip.compress(REQUEST[20:]) + bytes(99)
    assert server.post(V1, body, {"Content-Encoding": "gzip"}).status == 200


def test_a_gzip_file_without_its_header_is_named(server: RunningServer) -> None:
    assert "Content-Encoding: gzip" in server.post(V1, gzip.compress(REQUEST, mtime=0)).json["error"]


IMAGE = _tensor([7] * 64, 1, "UINT8")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"parameters": {"top_k": 3}}, "request: there is no parameter 'top_k'. Known here: binary_data_output"),
        ({"inputs": [IMAGE | {"parameters": {"normalize": True}}]}, "pixels: there is no parameter 'normalize'"),
        ({"inputs": [IMAGE | {"parameters": {"content_type": "base64"}}]}, "content_type to be np"),
        ({"outputs": [{"name": "label", "parameters": {"rank": 1}}]}, "label: there is no parameter 'rank'"),
        ({"parameters": {"classification": 3}}, "triton_enable_empty_final_response. It is a parameter of an output."),
        ({"inputs": [IMAGE | {"parameters": {"classification": 3}}]}, "It is a parameter of an output."),
        ({"outputs": [{"name": "label", "parameters": {"timeout": 3}}]}, "It is a parameter of the request."),
        ({"outputs": [{"name": "label", "parameters": {"classification": 1}}]}, "goes with the output probabilities"),
        *(
            ({"outputs": [{"name": "probabilities", "parameters": {"classification": top}}]}, "a number of classes")
            for top in (0, -1, "3", True, 1.5, [])
        ),
    ],
)
def test_a_parameter_that_would_change_the_answer_and_is_not_known_is_refused_by_name(
    server: RunningServer, document: dict[str, Any], words: str
) -> None:
    status, answer = _post(server, V2, {"inputs": [IMAGE], **document})
    assert status == 400
    assert words in answer["error"]


def test_parameters_that_ask_for_no_other_answer_are_passed_over(server: RunningServer) -> None:
    plain = {"inputs": [IMAGE], "id": "a"}
    asked = {
        "inputs": [IMAGE | {"parameters": {"content_type": "np"}}],
        "parameters": {"priority": 1, "timeout": 5, "sequence_id": "x", "triton_enable_empty_final_response": True},
        "id": "a",
    }
    assert _post(server, V2, asked) == _post(server, V2, plain)


def test_classes_in_words_stand_beside_other_outputs(server: RunningServer, grey: Classifier) -> None:
    wanted = [{"name": "probabilities", "parameters": {"classification": 2}}, {"name": "label"}]
    _, answer = _post(server, V2, {"inputs": [_tensor([7] * 128, 2, "UINT8")], "outputs": wanted})
    words, label = answer["outputs"]
    assert (words["datatype"], words["shape"], len(words["data"])) == ("BYTES", [2, 2], 4)
    value, index, name = words["data"][0].split(":")
    assert (int(index), name) == (label["data"][0], grey.spec.classes[int(index)])
    assert len(value.partition(".")[2]) == 6  # as Triton writes it
