"""The repository index, as Triton's clients ask for it."""

import orjson

from forebay.serving.rejection import RequestRejectedError
from forebay.serving.repository.model_manager import ModelManager

NOT_LOADED = "it is not loaded, or cannot be; the server's log says why"


def asks_for_ready_only(body: bytes) -> bool:
    """Whether the request wants only the models that are ready.

    Raises:
        RequestRejectedError: its body is not a JSON object.
    """
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise RequestRejectedError('expected no body or a JSON object such as {"ready": true}.')
    return document.get("ready") is True


def index_rows(models: ModelManager, *, ready_only: bool) -> list[dict[str, str]]:
    """One row for each model that answers, or should."""
    found = [(name, model) for name in models.names() if (model := models.get(name)) is not None]
    rows = [{"name": name, "version": model.version, "state": "READY", "reason": ""} for name, model in found]
    if ready_only:
        return rows
    return rows + [
        {"name": name, "version": version, "state": "UNAVAILABLE", "reason": NOT_LOADED}
        for name, version in models.missing().items()
    ]
