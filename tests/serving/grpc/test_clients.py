"""The gRPC clients that people use, tritonclient and KServe's own, and the health service that clusters ask."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from kserve.protocol.infer_type import RequestedOutput

from forebay.models import Classifier
from support.paths import ROOT
from support.tiny_inference_server import RunningServer

CLOSE = 1e-5
PIXELS = np.random.default_rng(5).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
HEALTH = "/grpc.health.v1.Health"
SERVING = b"\x08\x01"  # HealthCheckResponse(status=SERVING)


@pytest.mark.usefixtures("grpc_server")
def test_tritonclient_gets_state_metadata_and_answers(grpc_port: int, grey: Classifier) -> None:
    command = [sys.executable, str(ROOT / "tests" / "support" / "triton_grpc_client.py")]
    process = subprocess.run(
        [*command, f"127.0.0.1:{grpc_port}", json.dumps(PIXELS.tolist())], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    expected = grey.predict(PIXELS)
    assert (found["live"], found["ready"], found["model"]) == (True, True, True)
    assert {"binary_tensor_data", "classification"} <= set(found["server"])
    assert found["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": ["-1", "8", "8", "1"]}]
    assert found["versions"] == ["7"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=CLOSE)
    assert found["names"] == [grey.spec.classes[label] for label in expected.argmax(1)]
    assert found["id"] == "mine"
    order = np.argsort(-expected[0])[:3]
    assert [word.split(":", 2)[1:] for word in found["top"]] == [[str(i), grey.spec.classes[i]] for i in order]
    assert found["refusal"] == ["StatusCode.NOT_FOUND", "There is no model 'nobody'. Models: colour, grey."]


def _kserve(port: int, ask: Callable[[InferenceGRPCClient], Awaitable[Any]]) -> Any:
    async def once() -> Any:
        async with InferenceGRPCClient(f"127.0.0.1:{port}") as client:
            return await ask(client)

    return asyncio.run(once())


def _request(values: np.ndarray[Any, Any], *, binary: bool) -> InferRequest:
    tensor = InferInput("pixels", list(values.shape), "UINT8" if values.dtype == np.uint8 else "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return InferRequest("grey", [tensor], request_outputs=[RequestedOutput("probabilities")])


@pytest.mark.usefixtures("grpc_server")
def test_kserves_client_finds_server_and_model_alive_and_ready(grpc_port: int) -> None:
    assert _kserve(grpc_port, lambda client: client.is_server_live())
    assert _kserve(grpc_port, lambda client: client.is_server_ready())
    assert _kserve(grpc_port, lambda client: client.is_model_ready("grey"))
    with pytest.raises(grpc.RpcError, match="There is no model 'nobody'"):
        _kserve(grpc_port, lambda client: client.is_model_ready("nobody"))


@pytest.mark.usefixtures("grpc_server")
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_kserves_client_gets_the_classifiers_probabilities(
    grpc_port: int, grey: Classifier, kind: type, binary: bool
) -> None:
    answer = _kserve(grpc_port, lambda client: client.infer(_request(PIXELS.astype(kind), binary=binary)))
    (found,) = answer.outputs
    np.testing.assert_allclose(found.as_numpy().reshape(2, 10), grey.predict(PIXELS), atol=CLOSE)
    assert answer.model_version == "7"


@pytest.mark.usefixtures("grpc_server")
def test_kserves_client_reads_what_is_said_of_an_image_unlike_the_training_images(grpc_port: int) -> None:
    request = _request(np.zeros((1, 8, 8, 1), np.uint8), binary=True)
    answer = _kserve(grpc_port, lambda client: client.infer(request))
    assert "distance 2.00" in answer.parameters["warnings"].string_param


def test_metadata_is_that_of_rest(grpc_server: RunningServer, channel: grpc.Channel) -> None:
    stub = GRPCInferenceServiceStub(channel)
    found = stub.ModelMetadata(pb.ModelMetadataRequest(name="colour", version="7"))
    expected = grpc_server.request("GET", "/v2/models/colour").json
    assert (found.name, found.platform, list(found.versions)) == ("colour", expected["platform"], ["7"])
    for ours, theirs in ((found.inputs, expected["inputs"]), (found.outputs, expected["outputs"])):
        rows = [{"name": each.name, "datatype": each.datatype, "shape": list(each.shape)} for each in ours]
        assert rows == theirs
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    expected = grpc_server.request("GET", "/v2").json
    assert expected == {"name": server.name, "version": server.version, "extensions": list(server.extensions)}


def test_models_are_not_loaded_by_a_call(channel: grpc.Channel) -> None:
    stub = GRPCInferenceServiceStub(channel)
    for ask, request in (
        (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="grey")),
        (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="grey")),
    ):
        with pytest.raises(grpc.RpcError, match="forebay run") as caught:
            ask(request)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_health_service_tells_that_the_server_is_ready_once_and_as_it_changes(channel: grpc.Channel) -> None:
    check = channel.unary_unary(f"{HEALTH}/Check")
    service = b"inference.GRPCInferenceService"
    assert check(b"") == SERVING
    assert check(b"\x0a" + bytes([len(service)]) + service) == SERVING
    with pytest.raises(grpc.RpcError, match="There is no service 'x'") as caught:
        check(b"\x0a\x01x")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watching = channel.unary_stream(f"{HEALTH}/Watch")
    first = watching(b"")
    assert next(first) == SERVING
    unknown = watching(b"\x0a\x01x")
    assert next(unknown) == b"\x08\x03"  # SERVICE_UNKNOWN
    first.cancel()
    unknown.cancel()
