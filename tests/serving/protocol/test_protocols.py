"""Valid requests: every protocol answers with what the model itself predicts."""

import base64
import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from forebay.images import decode, fit
from forebay.models import Classifier
from forebay.serving.client import infer, predict_arrays
from forebay.serving.protocol.client_request import encode_binary_request
from forebay.version import VERSION
from support.tiny_inference_server import Reply, RunningServer

CLOSE = 1e-5  # the server runs one thread per request, this process several
BINARY = "application/octet-stream"

MODELS = st.sampled_from(["grey", "colour"])
Pixels = NDArray[np.uint8]


def _image(shape: tuple[int, ...], seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _png(pixels: Pixels | NDArray[np.uint16]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _v2(server: RunningServer, model: str, tensor: dict[str, Any], **rest: Any) -> Any:
    reply = server.post(f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor], **rest}).encode())
    assert reply.status == 200, reply.body
    return reply.json


def _tensor(pixels: Pixels, datatype: str = "UINT8", *, nested: bool = False) -> dict[str, Any]:
    data = pixels.tolist() if nested else pixels.ravel().tolist()
    return {"name": "pixels", "datatype": datatype, "shape": list(pixels.shape), "data": data}


def _outputs(document: Any) -> dict[str, Any]:
    return {output["name"]: output for output in document["outputs"]}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(name=MODELS, data=st.data())
def test_every_protocol_answers_as_the_classifier(
    server: RunningServer, grey: Classifier, colour: Classifier, name: str, data: st.DataObject
) -> None:
    model = grey if name == "grey" else colour
    shape = (data.draw(st.integers(1, 3)), model.spec.height, model.spec.width, model.spec.channels)
    pixels = data.draw(arrays(np.uint8, shape))
    expected = model.predict(pixels)
    url = f"http://127.0.0.1:{server.port}"
    answers = [predict_arrays(url, name, pixels, 30), infer(url, name, pixels, 30)]
    for datatype, nested in [("UINT8", False), ("UINT8", True), ("FP32", False)]:
        document = _v2(server, name, _tensor(pixels, datatype, nested=nested))
        probabilities = np.array(_outputs(document)["probabilities"]["data"]).reshape(expected.shape)
        np.testing.assert_allclose(probabilities, expected, atol=CLOSE)
    for answer in answers:
        np.testing.assert_allclose(answer.probabilities, expected, atol=CLOSE)
        assert answer.version == "7"
        winners = answer.probabilities.argmax(1)
        assert answer.label_names == [model.spec.classes[winner] for winner in winners]


def test_a_v1_prediction_carries_label_name_probabilities_and_version(server: RunningServer, grey: Classifier) -> None:
    pixels = _image((8, 8))
    [prediction] = server.predict("grey", [pixels.tolist()])
    assert set(prediction) == {"label", "label_name", "probabilities", "model_version"}
    assert prediction["label_name"] == grey.spec.classes[prediction["label"]]
    assert sum(prediction["probabilities"]) == pytest.approx(1)


def test_a_grey_image_may_come_with_or_without_its_channel(server: RunningServer) -> None:
    pixels = _image((8, 8, 1))
    assert server.predict("grey", [pixels.tolist()]) == server.predict("grey", [pixels[:, :, 0].tolist()])


@pytest.mark.parametrize("size", [(8, 8), (6, 10), (300, 200), (1, 1)])
@pytest.mark.parametrize("name", ["grey", "colour"])
def test_an_image_file_of_any_size_is_prepared_as_ingest_prepares_it(
    server: RunningServer, grey: Classifier, colour: Classifier, name: str, size: tuple[int, int]
) -> None:
    model = grey if name == "grey" else colour
    encoded = _png(_image((*size, 3)))
    pixels = decode(base64.b64decode(encoded), channels=model.spec.channels, max_pixels=10**6)
    expected = model.predict(fit(pixels, model.spec.height, model.spec.width, model.spec.fit)[None])
    [prediction] = server.predict(name, [{"b64": encoded}])
    np.testing.assert_allclose(prediction["probabilities"], expected[0], atol=CLOSE)


def test_a_12_bit_image_file_is_scaled_by_the_bits_in_the_bundle(
    server: RunningServer, grey: Classifier, colour: Classifier
) -> None:
    values = np.random.default_rng(3).integers(0, 4096, (6, 10)).astype(np.uint16)
    encoded = _png(values)
    twelve = decode(base64.b64decode(encoded), channels=3, max_pixels=99, bits=12)
    assert twelve.max() > 240
    [prediction] = server.predict("colour", [{"b64": encoded}])
    np.testing.assert_allclose(prediction["probabilities"], colour.predict(twelve[None])[0], atol=CLOSE)
    [default] = server.predict(
        "grey", [{"b64": _png(values[:, :6])}]
    )  # its bundle records no preparation, so the old default applies
    high = fit((values[:, :6, None] >> 8).astype(np.uint8), 8, 8, "stretch")
    np.testing.assert_allclose(default["probabilities"], grey.predict(high[None])[0], atol=CLOSE)


def test_fp32_pixels_are_rounded_and_binary_fp32_equals_json(server: RunningServer, colour: Classifier) -> None:
    values = _image((2, 6, 10, 3)).astype("<f4").clip(1, 254) + np.float32(0.3)
    raw = values.tobytes()
    tensor = {
        "name": "pixels",
        "datatype": "FP32",
        "shape": [2, 6, 10, 3],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(len(head))}
    reply = server.post("/v2/models/colour/infer", head + raw, headers)
    got = np.array(_outputs(reply.json)["probabilities"]["data"]).reshape(2, 4)
    np.testing.assert_allclose(got, colour.predict(np.rint(values).astype(np.uint8)), atol=CLOSE)


def _split(reply: Reply) -> tuple[Any, bytes]:
    length = int(reply.headers["inference-header-content-length"])
    return json.loads(reply.body[:length]), reply.body[length:]


def test_outputs_come_as_binary_tensors_on_request(server: RunningServer, grey: Classifier) -> None:
    pixels = _image((3, 8, 8, 1))
    body, length = encode_binary_request(pixels)
    document = json.loads(body[:length]) | {"parameters": {"binary_data_output": True}, "id": "a"}
    head = json.dumps(document).encode()
    headers = {"Content-Type": BINARY, "Inference-Header-Content-Length": str(len(head))}
    reply = server.post("/v2/models/grey/infer", head + body[length:], headers)
    assert reply.headers["content-type"] == BINARY
    answer, raw = _split(reply)
    assert answer["id"] == "a"
    assert answer["model_version"] == "7"
    labels = np.frombuffer(raw, "<i8", 3)
    sizes = [output["parameters"]["binary_data_size"] for output in answer["outputs"]]
    assert sum(sizes) == len(raw)
    names, place = [], sizes[0]
    for _ in range(3):
        (size,) = struct.unpack_from("<I", raw, place)
        names.append(raw[place + 4 : place + 4 + size].decode())
        place += 4 + size
    assert names == [grey.spec.classes[label] for label in labels]
    np.testing.assert_allclose(np.frombuffer(raw[place:], "<f4").reshape(3, 10), grey.predict(pixels), atol=CLOSE)


def test_single_outputs_can_be_asked_for_each_in_its_own_form(server: RunningServer) -> None:
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    tensor = _tensor(_image((1, 8, 8, 1)))
    reply = server.post("/v2/models/grey/infer", json.dumps({"inputs": [tensor], "outputs": wanted}).encode())
    answer, raw = _split(reply)
    assert [output["name"] for output in answer["outputs"]] == ["probabilities", "label"]
    assert "data" in answer["outputs"][1]
    assert np.frombuffer(raw, "<f4").argmax() == answer["outputs"][1]["data"][0]


def test_the_current_version_may_stand_in_the_path(server: RunningServer) -> None:
    body = json.dumps({"inputs": [_tensor(_image((1, 8, 8, 1)))]}).encode()
    assert server.post("/v2/models/grey/versions/7/infer", body).status == 200
    assert server.post("/v2/models/grey/versions/6/infer", body).status == 404
    assert server.request("GET", "/v2/models/grey/versions/7").json["versions"] == ["7"]
    assert server.request("GET", "/v2/models/grey/versions/7/ready").status == 200
    assert server.request("GET", "/v2/models/grey/versions/6").status == 404


def test_health_readiness_and_metadata_are_those_of_the_protocols(server: RunningServer) -> None:
    assert server.request("GET", "/").json == {"status": "alive"}
    assert server.request("GET", "/v2/health/live").json == {"live": True}
    assert server.request("GET", "/v2/health/ready").json == {"ready": True}
    assert sorted(server.request("GET", "/v1/models").json["models"]) == ["colour", "grey"]
    assert server.request("GET", "/v1/models/grey").json == {"name": "grey", "ready": True}
    metadata = server.request("GET", "/v2/models/colour").json
    assert metadata["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 6, 10, 3]}]
    assert [output["name"] for output in metadata["outputs"]] == ["label", "label_name", "probabilities"]
    described = server.request("GET", "/v2").json
    assert (described["name"], described["version"]) == ("forebay", VERSION)
    assert "binary_tensor_data" in described["extensions"]


def test_metrics_count_our_paths_by_code_and_name_the_versions(server: RunningServer) -> None:
    def counted(line: str) -> float:
        text = server.request("GET", "/metrics").body.decode()
        return sum(float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(line))

    good = 'forebay_requests_total{code="200",model_name="grey",protocol="v1"}'
    bad = 'forebay_requests_total{code="400",model_name="grey",protocol="v1"}'
    before = counted(good), counted(bad)
    server.predict("grey", [_image((8, 8)).tolist()])
    server.post("/v1/models/grey:predict", b"{")
    assert (counted(good), counted(bad)) == (before[0] + 1, before[1] + 1)
    assert counted('forebay_request_seconds_count{engine="torch",model_name="grey",protocol="v1",version="7"}') >= 2
    assert counted('request_predict_seconds_count{model_name="grey"}') >= 1
    assert counted("forebay_model_info{") == 2
