"""What the KServe SDK's application gets to see: only GET, and only for models that answer."""

from forebay.serving.app.model_lookup import require_model
from forebay.serving.app.routes import METRICS, PATHS, PREDICT, REPOSITORY, is_get_path, metadata_target
from forebay.serving.http.asgi import Scope
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.model_manager import ModelManager


def scope_for_sdk(scope: Scope, models: ModelManager) -> Scope:
    """The scope of a request in the form that the SDK can answer.

    Raises:
        RequestRejectedError: the SDK must not answer it (403, 404, 405), or its model is not loaded (503).
    """
    method, path = scope["method"], scope["path"]
    if path.startswith(REPOSITORY):
        raise RequestRejectedError(
            "Models are loaded and unloaded with `forebay run` and `forebay rollback`, not by HTTP.", 403
        )
    if method not in ("GET", "HEAD"):
        raise _wrong_method(method, path)
    scope = scope | {"method": "GET"}  # the SDK knows no HEAD; uvicorn sends no body in response to one
    if path == METRICS:  # prometheus_client fails on an Accept header whose version is not a number
        return scope | {"headers": [(name, value) for name, value in scope["headers"] if name != b"accept"]}
    found = metadata_target(path)
    if found is None:
        return scope
    # The SDK knows no versions, and writes a traceback to the log for every model that it does not have.
    target, path_without_version = found
    require_model(models, target, models.get(target.name))
    return scope | {"path": path_without_version}


def _wrong_method(method: str, path: str) -> RequestRejectedError:
    if is_get_path(path):
        return RequestRejectedError(
            f"expected GET or HEAD, got {method}. Predict with {PREDICT}.", 405, ((b"allow", b"GET, HEAD"),)
        )
    return RequestRejectedError(f"There is no {method} {short_repr(path)}. Use {PATHS}.", 404)
