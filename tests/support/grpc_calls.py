"""Calls of a server's gRPC port, with the SDK's messages, and the same requests over REST."""

import json
from typing import Any

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

from forebay.serving.ports import bind
from support.tiny_inference_server import RunningServer

CONTENTS = {"UINT8": "uint_contents", "FP32": "fp32_contents", "BYTES": "bytes_contents"}
TIMEOUT_S = 120
KINDS = {bool: "bool_param", int: "int64_param", str: "string_param"}
HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: (400,),
    grpc.StatusCode.PERMISSION_DENIED: (403,),
    grpc.StatusCode.NOT_FOUND: (404,),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (413, 429),
    grpc.StatusCode.UNAVAILABLE: (503,),
}


def free_port() -> int:
    """A port that nothing listens on."""
    with bind("127.0.0.1", 0) as listener:
        return int(listener.getsockname()[1])


def message(document: dict[str, Any], *, raw: bytes | None = None, model: str = "grey") -> pb.ModelInferRequest:
    """A JSON request as a message; `raw` takes the place of the input's data."""
    request = pb.ModelInferRequest(model_name=model, id=document.get("id", ""))
    _add_parameters(request, document)
    for tensor in document["inputs"]:
        added = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        _add_parameters(added, tensor)
        if raw is None and tensor["datatype"] in CONTENTS:
            getattr(added.contents, CONTENTS[tensor["datatype"]]).extend(tensor["data"])
    for output in document.get("outputs", []):
        _add_parameters(request.outputs.add(name=output["name"]), output)
    if raw is not None:
        request.raw_input_contents.append(raw)
    return request


def _add_parameters(owner: Any, document: dict[str, Any]) -> None:
    for name, value in document.get("parameters", {}).items():
        setattr(owner.parameters[name], KINDS[type(value)], value)


def infer(port: int, request: pb.ModelInferRequest, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """The response in the form of the JSON one, or `{"error": …, "code": …}`."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            response = GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=timeout_s)
        except grpc.RpcError as error:
            return {"error": error.details(), "code": error.code()}
    return as_document(response)


def as_document(response: pb.ModelInferResponse) -> dict[str, Any]:
    """A response as JSON would have it; texts are text, whichever contents they came by."""
    from kserve import InferResponse

    found = InferResponse.from_grpc(response)
    outputs = []
    for tensor, output in zip(response.outputs, found.outputs, strict=True):
        values = output.as_numpy().ravel().tolist()
        data = [value.decode() if isinstance(value, bytes) else value for value in values]
        outputs.append({"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape), "data": data})
    document = {
        "model_name": response.model_name, "model_version": response.model_version, "id": response.id,
        "outputs": outputs,
    }  # fmt: skip
    parameters = {name: value.string_param for name, value in response.parameters.items()}
    return document | ({"parameters": parameters} if parameters else {})


def ask_rest(server: RunningServer, document: dict[str, Any], model: str = "grey") -> tuple[int, dict[str, Any]]:
    """The status and the answer of the same request over REST."""
    reply = server.post(f"/v2/models/{model}/infer", json.dumps(document).encode())
    return reply.status, reply.json
