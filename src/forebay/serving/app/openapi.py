"""The document `/openapi.json`: the paths that this server answers, and no other (the SDK's own document has more)."""

from typing import Any

from forebay.serving.protocol.names import INPUT, JSON, OCTET_STREAM, OUTPUTS
from forebay.serving.protocol.v2_input import DATATYPES
from forebay.version import VERSION

Document = dict[str, Any]

_OBJECT: Document = {"type": "object"}
_NUMBERS: Document = {"type": "array", "items": {}, "description": "numbers from 0 to 255, nested or flat"}
_ENCODED: Document = {
    "type": "object",
    "properties": {"b64": {"type": "string", "description": "an image file in base64, a data: URL too"}},
    "required": ["b64"],
}
_ERROR: Document = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_IMAGE: Document = {"image/*": {"schema": {"type": "string", "format": "binary"}}}
_V1: Document = {
    "type": "object",
    "properties": {"instances": {"type": "array", "items": {"anyOf": [_NUMBERS, _ENCODED]}}},
    "required": ["instances"],
}
_TENSOR: Document = {
    "type": "object",
    "properties": {
        "name": {"const": INPUT},
        "datatype": {"enum": list(DATATYPES)},
        "shape": {
            "type": "array",
            "items": {"type": "integer"},
            "description": "N, height, width, channels; of image files (BYTES) N",
        },
        "data": _NUMBERS,
        "parameters": _OBJECT,
    },
    "required": ["name", "datatype", "shape"],
}
_OUTPUT: Document = {
    "type": "object",
    "properties": {"name": {"enum": list(OUTPUTS)}, "parameters": _OBJECT},
    "required": ["name"],
}
_V2: Document = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "parameters": _OBJECT,
        "inputs": {"type": "array", "items": _TENSOR, "minItems": 1, "maxItems": 1},
        "outputs": {"type": "array", "items": _OUTPUT},
    },
    "required": ["inputs"],
}
_BINARY: Document = {OCTET_STREAM: {"schema": {"type": "string", "format": "binary"}}}

GET_PATHS = {  # path: what GET returns
    "/": "Whether the server lives",
    "/metrics": "Prometheus metrics",
    "/openapi.json": "This document",
    "/v1/models": "Names of the models",
    "/v1/models/{model_name}": "Whether a model is ready",
    "/v2": "Server metadata",
    "/v2/health/live": "Whether the server lives",
    "/v2/health/ready": "Whether the server is ready",
    "/v2/models": "Names of the models",
    "/v2/models/{model_name}": "Model metadata",
    "/v2/models/{model_name}/ready": "Whether a model is ready",
    "/v2/models/{model_name}/versions/{model_version}": "Model metadata",
    "/v2/models/{model_name}/versions/{model_version}/ready": "Whether a model is ready",
}
_V2_INFER = ("Predict, Open Inference Protocol", {JSON: {"schema": _V2}, **_BINARY, **_IMAGE})
POST_PATHS = {  # path: what POST does, and the bodies that it takes
    "/v1/models/{model_name}:predict": ("Predict, V1 protocol", {JSON: {"schema": _V1}, **_IMAGE}),
    "/v2/models/{model_name}/infer": _V2_INFER,
    "/v2/models/{model_name}/versions/{model_version}/infer": _V2_INFER,
    "/v2/repository/index": ("The models, with version and state", {JSON: {"schema": _OBJECT}}),
}


def openapi() -> Document:
    """The OpenAPI document."""
    paths = {path: _get_operations(path, summary) for path, summary in GET_PATHS.items()}
    paths |= {path: {"post": _operation("post", path, *described)} for path, described in POST_PATHS.items()}
    info = {
        "title": "Forebay",
        "version": VERSION,
        "description": "Image classifiers over KServe's V1 and V2 protocols.",
    }
    return {"openapi": "3.1.0", "info": info, "paths": dict(sorted(paths.items()))}


def _get_operations(path: str, summary: str) -> Document:
    return {method: _operation(method, path, summary) for method in ("get", "head")}


def _operation(method: str, path: str, summary: str, bodies: Document | None = None) -> Document:
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    media_type = "text/plain" if path == "/metrics" else JSON
    success: Document = {"description": summary}
    if method != "head":
        success["content"] = {media_type: {"schema": {}}}
    operation: Document = {
        "summary": summary,
        "operationId": f"{method} {path}",
        "responses": {
            "200": success,
            "4XX": {"description": "What was expected", "content": {JSON: {"schema": _ERROR}}},
            "503": {"description": "Too much at once", "content": {JSON: {"schema": _ERROR}}},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if bodies is not None:
        operation["requestBody"] = {"required": path.startswith(("/v1", "/v2/models")), "content": bodies}
    return operation
