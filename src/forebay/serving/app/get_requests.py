"""GET and HEAD: health, readiness, metadata, metrics and the OpenAPI document.

The paths and documents are those of the KServe SDK's server and of the Open Inference Protocol. The SDK itself is not
imported: with its clients of Kubernetes it takes as long as a model takes to load, and more memory.
"""

from collections.abc import Callable
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from forebay.serving.app.model_lookup import require_model
from forebay.serving.app.openapi import Document
from forebay.serving.app.routes import METRICS, OPENAPI, PATHS, PREDICT, REPOSITORY, is_get_path, metadata_target
from forebay.serving.http.response import JSON_TYPE, HttpResponse
from forebay.serving.metrics import REGISTRY
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.served_model import ServedModel
from forebay.text import join_names
from forebay.version import VERSION

EXTENSIONS = ["binary_tensor_data", "classification"]
PLATFORM = "forebay_torch"


def answer_get(models: ModelManager, method: str, path: str, document: Callable[[], Document]) -> HttpResponse:
    """Answer a request for anything but an inference; uvicorn sends no body in response to HEAD.

    `document` makes the OpenAPI document of what is served now.

    Raises:
        RequestRejectedError: there is no such path, method or model (403, 404, 405), or something is not loaded (503).
    """
    if path.startswith(REPOSITORY):
        raise no_loading()
    if method not in ("GET", "HEAD"):
        raise _wrong_method(method, path)
    if path == METRICS:
        return HttpResponse(200, generate_latest(REGISTRY), [(b"content-type", CONTENT_TYPE_LATEST.encode())])
    if path == OPENAPI:
        return _json(document())
    make = _DOCUMENTS.get(path)
    return _json(make(models) if make else _model_document(models, path))


def no_loading() -> RequestRejectedError:
    """The rejection of a request to load or unload a model: it has no authentication."""
    return RequestRejectedError(
        "Models are loaded and unloaded with `forebay run` and `forebay rollback`, not by a request.", 403
    )


def server_metadata() -> dict[str, Any]:
    """V2 server metadata."""
    return {"name": "forebay", "version": VERSION, "extensions": EXTENSIONS}


def model_metadata(model: ServedModel) -> dict[str, Any]:
    """V2 model metadata."""
    return {
        "name": model.name,
        "platform": PLATFORM,
        "versions": [model.version],
        "inputs": model.inputs,
        "outputs": model.outputs,
    }


def _ready(models: ModelManager) -> dict[str, Any]:
    """Ready once every desired model answers, or none is desired, as in Triton and the SDK."""
    missing = models.missing()
    if missing:
        names = join_names([f"{name} version {version}" for name, version in missing.items()], 5)
        raise RequestRejectedError(f"The server is not ready: {names} cannot answer; its log says why.", 503)
    return {"ready": True}


_DOCUMENTS: dict[str, Callable[[ModelManager], dict[str, Any]]] = {
    "/": lambda _: {"status": "alive"},
    "/v1/models": lambda models: {"models": models.names()},
    "/v2": lambda _: server_metadata(),
    "/v2/health/live": lambda _: {"live": True},
    "/v2/health/ready": _ready,
    "/v2/models": lambda models: {"models": models.names()},
}


def _model_document(models: ModelManager, path: str) -> dict[str, Any]:
    found = metadata_target(path)
    if found is None:
        raise RequestRejectedError(f"There is no GET {short_repr(path)}. Use {PATHS}.", 404)
    target, asks_if_ready = found
    model = require_model(models, target, models.get(target.name))
    if asks_if_ready:
        return {"name": model.name, "ready": True}
    return model_metadata(model)


def _json(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(200, orjson.dumps(document), [JSON_TYPE])


def _wrong_method(method: str, path: str) -> RequestRejectedError:
    if is_get_path(path):
        return RequestRejectedError(
            f"expected GET or HEAD, got {method}. Predict with {PREDICT}.", 405, ((b"allow", b"GET, HEAD"),)
        )
    return RequestRejectedError(f"There is no {method} {short_repr(path)}. Use {PATHS}.", 404)
