"""The document `/openapi.json`: what this server answers at this moment, and nothing else.

Paths about a model name those that are served, with examples that they answer; without any, there are no such paths.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from forebay.serving.app.request_examples import v1_example, v2_example
from forebay.serving.protocol.names import (
    INPUT,
    JSON,
    LABEL,
    LABEL_NAME,
    OCTET_STREAM,
    OUTPUTS,
    PROBABILITIES,
    WARNINGS,
)
from forebay.serving.protocol.v2_input import DATATYPES
from forebay.serving.repository.served_model import ServedModel
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
_PREDICTION: Document = {
    "type": "object",
    "properties": {
        LABEL: {"type": "integer", "description": "number of the most probable class, from 0"},
        LABEL_NAME: {"type": "string"},
        PROBABILITIES: {"type": "array", "items": {"type": "number"}, "description": "one for each class, sum 1"},
        "model_version": {"type": "string"},
        WARNINGS: {"type": "array", "items": {"type": "string"}, "description": "of an unusual image"},
    },
    "required": [LABEL, LABEL_NAME, PROBABILITIES, "model_version"],
}
_V1_ANSWER: Document = {
    "type": "object",
    "properties": {"predictions": {"type": "array", "items": _PREDICTION}},
    "required": ["predictions"],
}
_V2_ANSWER: Document = {
    "type": "object",
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "outputs": {"type": "array", "items": {"type": "object"}},
        "parameters": _OBJECT,
    },
    "required": ["model_name", "model_version", "outputs"],
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
PAGE_PATHS = {  # the same, of the page for browsers
    "/docs": "This documentation, for people",
    "/page/assets/{file}": "A file of the page",
    "/page/models": "What the page shows of the models",
    "/page/models/{model_name}/report": "The report of the run that made the served version",
}
_V2_INFER = ("Predict, Open Inference Protocol", {JSON: {"schema": _V2}, **_BINARY, **_IMAGE}, _V2_ANSWER)
POST_PATHS: dict[str, tuple[str, Document, Document]] = {  # path: what POST does, the bodies that it takes, the answer
    "/v1/models/{model_name}:predict": ("Predict, V1 protocol", {JSON: {"schema": _V1}, **_IMAGE}, _V1_ANSWER),
    "/v2/models/{model_name}/infer": _V2_INFER,
    "/v2/models/{model_name}/versions/{model_version}/infer": _V2_INFER,
    "/v2/repository/index": (
        "The models, with version and state", {JSON: {"schema": _OBJECT}}, {"type": "array", "items": _OBJECT},
    ),
}  # fmt: skip
_REPORT_PATH = "/page/models/{model_name}/report"
_EXAMPLES: dict[str, Callable[[ServedModel], Document | None]] = {"/v1": v1_example, "/v2": v2_example}
_MEDIA_TYPES = {"/metrics": "text/plain", "/docs": "text/html", "/page/assets/{file}": "*/*", _REPORT_PATH: "text/html"}


def openapi(
    models: Sequence[ServedModel] = (), *, page: bool = False, assets: Sequence[str] = (), reports: Sequence[str] = ()
) -> Document:
    """The OpenAPI document.

    Args:
        models: what is served now.
        page: whether there is a page for browsers.
        assets: names of its files.
        reports: names of the models whose report it shows.
    """
    described = ", ".join(map(_describe, models)) or "none"
    versions = {model.name: {"value": model.version} for model in models}
    fields = {
        "model_name": {**_one_of(model.name for model in models), "description": described},
        "model_version": {**_one_of(sorted({model.version for model in models})), "examples": versions},
        "file": _one_of(assets),
    }
    paths = {path: _gets(path, summary, fields) for path, summary in GET_PATHS.items()}
    if page:
        for path, summary in PAGE_PATHS.items():
            of_path = fields | {"model_name": _one_of(reports)} if path == _REPORT_PATH else fields
            paths[path] = _gets(path, summary, of_path)
        paths["/"]["get"]["responses"]["200"]["content"]["text/html"] = {"schema": {"type": "string"}}
        paths["/"]["get"]["summary"] += "; for browsers, the page"
    paths |= {path: {"post": _post(path, *facts, fields, models)} for path, facts in POST_PATHS.items()}
    info = {
        "title": "Forebay",
        "version": VERSION,
        "description": f"Image classifiers over KServe's V1 and V2 protocols. Served: {described}.",
    }
    served = {path: item for path, item in sorted(paths.items()) if _is_served(item)}
    return {"openapi": "3.1.0", "info": info, "paths": served}


def _one_of(values: Iterable[str]) -> Document:
    return {"schema": {"type": "string", "enum": list(values)}}


def _is_served(item: Document) -> bool:
    """Whether there is something for each name in the path: a model, a version, a file."""
    operation = item.get("get") or item["post"]
    return all(parameter["schema"]["enum"] for parameter in operation.get("parameters", ()))


def _describe(model: ServedModel) -> str:
    spec = model.classifier.spec
    shape = f"{spec.height} x {spec.width} x {spec.channels}"
    return f"{model.name} version {model.version} ({shape}, {len(spec.classes):,} classes)"


def _names(path: str) -> list[str]:
    """The names in braces."""
    return [part.partition("}")[0] for part in path.split("{")[1:]]


def _gets(path: str, summary: str, fields: Mapping[str, Document]) -> Document:
    operations = {method: _operation(method, path, summary, fields) for method in ("get", "head")}
    operations["get"]["responses"]["200"]["content"] = {_MEDIA_TYPES.get(path, JSON): {"schema": {}}}
    return operations


def _post(
    path: str,
    summary: str,
    bodies: Document,
    answer: Document,
    fields: Mapping[str, Document],
    models: Sequence[ServedModel],
) -> Document:
    operation = _operation("post", path, summary, fields)
    operation["responses"]["200"]["content"] = {JSON: {"schema": answer}}
    required = path.startswith(("/v1", "/v2/models"))
    return operation | {"requestBody": {"required": required, "content": _with_examples(path, bodies, models)}}


def _with_examples(path: str, bodies: Document, models: Sequence[ServedModel]) -> Document:
    """The bodies, with an example of JSON for each model that the path is about."""
    if not _names(path):
        return {JSON: {**bodies[JSON], "examples": {"ready": {"value": {"ready": True}}}}}
    examples = {model.name: {"value": value} for model in models if (value := _EXAMPLES[path[:3]](model)) is not None}
    return {**bodies, JSON: {**bodies[JSON], "examples": examples}} if examples else bodies


def _operation(method: str, path: str, summary: str, fields: Mapping[str, Document]) -> Document:
    parameters = [{"name": name, "in": "path", "required": True, **fields[name]} for name in _names(path)]
    operation: Document = {
        "summary": summary,
        "operationId": f"{method} {path}",
        "tags": [_tag(method, path)],
        "responses": {
            "200": {"description": summary},
            "4XX": {"description": "What was expected", "content": {JSON: {"schema": _ERROR}}},
            "503": {"description": "Too much at once", "content": {JSON: {"schema": _ERROR}}},
        },
    }
    return operation | ({"parameters": parameters} if parameters else {})


def _tag(method: str, path: str) -> str:
    """The group in which a person looks for an operation."""
    if method == "post" and path.startswith(("/v1", "/v2/models")):
        return "Predict"
    if path.startswith("/page/") or path == "/docs":
        return "Page"
    return "Models" if "/models" in path or path.startswith("/v2/repository") else "Server"
