"""The clients that people use, tritonclient and KServe's own, against the real server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from numpy.typing import NDArray
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from forebay.models import Classifier
from support.tiny_inference_server import RunningServer

CLOSE = 1e-5
PIXELS = np.random.default_rng(5).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def client(server: RunningServer) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(f"127.0.0.1:{server.port}")


def _input(values: NDArray[Any], *, binary: bool = True) -> triton.InferInput:
    datatype = "UINT8" if values.dtype == np.uint8 else "FP32"
    tensor = triton.InferInput("pixels", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def test_tritonclient_finds_server_and_models_alive_ready_and_described(
    client: triton.InferenceServerClient,
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("grey")
    assert client.is_model_ready("grey", "7")
    assert not client.is_model_ready("nobody")
    assert {"binary_tensor_data", "classification"} <= set(client.get_server_metadata()["extensions"])
    assert client.get_model_metadata("grey")["inputs"][0]["shape"] == [-1, 8, 8, 1]
    assert client.get_model_repository_index() == [
        {"name": name, "version": "7", "state": "READY", "reason": ""} for name in ("colour", "grey")
    ]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_tritonclient_gets_the_classifiers_probabilities_in_every_form_of_request(
    client: triton.InferenceServerClient, grey: Classifier, kind: type, binary: bool, compression: str | None
) -> None:
    answer = client.infer(
        "grey",
        [_input(PIXELS.astype(kind), binary=binary)],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary)],
        request_id="mine",
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    np.testing.assert_allclose(answer.as_numpy("probabilities"), grey.predict(PIXELS), atol=CLOSE)
    assert answer.get_response()["id"] == "mine"


def test_tritonclient_that_names_no_outputs_gets_all_of_them(
    client: triton.InferenceServerClient, grey: Classifier
) -> None:
    answer = client.infer("grey", [_input(PIXELS)], model_version="7")
    labels = grey.predict(PIXELS).argmax(1)
    assert answer.as_numpy("label").tolist() == labels.tolist()
    assert answer.as_numpy("label_name").tolist() == [grey.spec.classes[label].encode() for label in labels]


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_reads_what_is_said_of_an_image_unlike_the_training_images(
    client: triton.InferenceServerClient, grey: Classifier, binary: bool
) -> None:
    images = np.concatenate([PIXELS, np.zeros_like(PIXELS[:1])])
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
    answer = client.infer("grey", [_input(images, binary=binary)], outputs=outputs)
    np.testing.assert_allclose(answer.as_numpy("probabilities"), grey.predict(images), atol=CLOSE)
    said = answer.get_response()["parameters"]["warnings"]
    assert said.startswith("image 2: unlike the training images: brightness 0.00, theirs 0.40 to 0.60; distance 2.00")
    assert "parameters" not in client.infer("grey", [_input(PIXELS)]).get_response()


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("asked", "given"), [(1, 1), (3, 3), (99, 10)])
def test_tritonclient_gets_the_most_probable_classes_in_words(
    client: triton.InferenceServerClient, grey: Classifier, asked: int, given: int, binary: bool
) -> None:
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=asked)
    found = client.infer("grey", [_input(PIXELS)], outputs=[wanted]).as_numpy("probabilities")
    expected = grey.predict(PIXELS)
    assert found.shape == (2, given)
    for row, probabilities in zip(found, expected, strict=True):
        words = [(text.decode() if binary else text).split(":", 2) for text in row]
        order = [int(index) for _, index, _ in words]
        assert order == sorted(range(10), key=lambda index: -probabilities[index])[:given]
        assert [label for _, _, label in words] == [grey.spec.classes[index] for index in order]
        np.testing.assert_allclose([float(value) for value, _, _ in words], probabilities[order], atol=CLOSE)


def test_what_tritonclient_says_to_every_server_hinders_nothing(
    client: triton.InferenceServerClient, grey: Classifier
) -> None:
    answer = client.infer(
        "grey", [_input(PIXELS)], sequence_id=3, sequence_start=True, sequence_end=True, priority=1, timeout=1000
    )
    np.testing.assert_allclose(answer.as_numpy("probabilities"), grey.predict(PIXELS), atol=CLOSE)


REFUSED: dict[str, tuple[Callable[[triton.InferenceServerClient], object], str]] = {
    "model": (lambda client: client.infer("nobody", [_input(PIXELS)]), "Models: colour, grey"),
    "shape": (lambda client: client.infer("grey", [_input(PIXELS[:, :4])]), "expected shape [N, 8, 8, 1]"),
    "range": (lambda client: client.infer("grey", [_input(PIXELS.astype(np.float32) / 255)]), "from 0 to 255"),
    "parameter": (lambda client: client.infer("grey", [_input(PIXELS)], parameters={"beam": 3}), "no parameter 'beam'"),
    "load": (lambda client: client.load_model("grey"), "forebay run"),
    "unload": (lambda client: client.unload_model("grey"), "forebay run"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tritonclient_shows_what_the_server_refuses_in_its_words(
    client: triton.InferenceServerClient, case: str
) -> None:
    ask, words = REFUSED[case]
    with pytest.raises(InferenceServerException) as caught:
        ask(client)
    assert words in caught.value.message()


def test_shared_memory_is_refused_by_name(client: triton.InferenceServerClient) -> None:
    tensor = triton.InferInput("pixels", [1, 8, 8, 1], "UINT8")
    tensor.set_shared_memory("region", 64)
    with pytest.raises(InferenceServerException, match="no parameter 'shared_memory_region'"):
        client.infer("grey", [tensor])


def _kserve(protocol: str, ask: Callable[[InferenceRESTClient], Awaitable[Any]]) -> Any:
    async def once() -> Any:
        async with InferenceRESTClient(RESTConfig(protocol=protocol)) as client:
            return await ask(client)

    return asyncio.run(once())


def _request(values: NDArray[Any], *, binary: bool, **parameters: Any) -> InferRequest:
    tensor = InferInput("pixels", list(values.shape), "UINT8" if values.dtype == np.uint8 else "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    outputs = [RequestedOutput("probabilities", parameters or None)]
    return InferRequest(model_name="grey", infer_inputs=[tensor], request_outputs=outputs)


def test_kserves_client_finds_server_and_model_alive_and_ready(server: RunningServer) -> None:
    url = f"http://127.0.0.1:{server.port}"
    assert _kserve("v2", lambda client: client.is_server_live(url))
    assert _kserve("v2", lambda client: client.is_server_ready(url))
    assert _kserve("v2", lambda client: client.is_model_ready(url, "grey"))
    assert _kserve("v1", lambda client: client.is_model_ready(url, "grey"))
    assert _kserve("v1", lambda client: client.is_server_live(url))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_kserves_client_gets_the_classifiers_probabilities(
    server: RunningServer, grey: Classifier, kind: type, binary: bool
) -> None:
    request = _request(PIXELS.astype(kind), binary=binary, binary_data=binary)
    url = f"http://127.0.0.1:{server.port}"
    answer = _kserve("v2", lambda client: client.infer(url, request, model_name="grey"))
    (found,) = answer.outputs
    np.testing.assert_allclose(found.as_numpy().reshape(2, 10), grey.predict(PIXELS), atol=CLOSE)


def test_kserves_client_reads_what_is_said_of_an_image_unlike_the_training_images(server: RunningServer) -> None:
    url, black = f"http://127.0.0.1:{server.port}", np.zeros((1, 8, 8, 1), np.uint8)
    answer = _kserve("v2", lambda client: client.infer(url, _request(black, binary=True), model_name="grey"))
    assert "distance 2.00" in answer.parameters["warnings"]
    answer = _kserve("v1", lambda client: client.infer(url, {"instances": black.tolist()}, model_name="grey"))
    assert "distance 2.00" in answer["predictions"][0]["warnings"][0]


def test_kserves_client_predicts_over_v1(server: RunningServer, grey: Classifier) -> None:
    url = f"http://127.0.0.1:{server.port}"
    answer = _kserve("v1", lambda client: client.infer(url, {"instances": PIXELS.tolist()}, model_name="grey"))
    rows = [row["probabilities"] for row in answer["predictions"]]
    np.testing.assert_allclose(rows, grey.predict(PIXELS), atol=CLOSE)


def test_kserves_client_shows_what_the_server_refuses_in_its_words(server: RunningServer) -> None:
    url = f"http://127.0.0.1:{server.port}"
    unit = _request(PIXELS.astype(np.float32) / 255, binary=True)
    with pytest.raises(httpx.HTTPStatusError, match="Multiply them by 255"):
        _kserve("v2", lambda client: client.infer(url, unit, model_name="grey"))
    with pytest.raises(httpx.HTTPStatusError, match="Models: colour, grey"):
        _kserve("v1", lambda client: client.infer(url, {"instances": []}, model_name="nobody"))
