"""Finding the model of a request."""

from forebay.serving.app.routes import InferenceTarget
from forebay.serving.rejection import RequestRejectedError, short_repr
from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.repository.served_model import ServedModel


def require_model(models: ModelManager, target: InferenceTarget, model: ServedModel | None) -> ServedModel:
    """The model, where it can answer.

    Args:
        models: all of them.
        target: the model that the request is about.
        model: the model that answered under this name when the request arrived; None where none did.

    Raises:
        RequestRejectedError: it is not loaded (503), or there is no such model or version (404).
    """
    desired_version = models.missing().get(target.name) if model is None else None
    if desired_version is not None:
        raise RequestRejectedError(
            f"{target.name} is wanted in version {desired_version}, and that is not loaded, or cannot be; the "
            "server's log says why.",
            503,
        )
    if model is None:
        names = ", ".join(models.names()) or "none"
        raise RequestRejectedError(f"There is no model {short_repr(target.name)}. Models: {names}.", 404)
    if target.version not in (None, model.version):
        raise RequestRejectedError(
            f"{target.name} serves version {model.version}, not {short_repr(target.version)}. Leave the version "
            "out to ask whichever is current.",
            404,
        )
    return model
