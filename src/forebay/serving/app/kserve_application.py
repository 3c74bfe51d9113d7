"""The KServe SDK's REST application on our models: health, readiness, metadata and metrics."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from forebay.serving.app.openapi import openapi
from forebay.serving.app.routes import PATHS
from forebay.serving.repository.model_manager import ModelManager


class _ForebayDataPlane(DataPlane):  # type: ignore[misc]
    """The SDK's data plane; it also reports versions, lists only extensions that are on, and waits for the models."""

    def __init__(self, models: ModelManager) -> None:
        super().__init__(model_registry=models.repository)
        self.models = models

    def metadata(self) -> dict[str, Any]:
        """V2 server metadata."""
        return {**super().metadata(), "extensions": ["binary_tensor_data", "classification"]}

    async def ready(self) -> bool:
        """Whether every desired model answers; true where none is desired, as in Triton and the SDK."""
        return not self.models.missing()

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """V2 model metadata."""
        metadata = await super().model_metadata(model_name)
        model = self.get_model_from_registry(model_name)
        return {**metadata, "platform": "forebay_torch", "versions": [model.version]}


def kserve_application(models: ModelManager) -> FastAPI:
    """Create the application."""
    from kserve import model_server

    extension = ModelRepositoryExtension(model_registry=models.repository)
    RESTServer("", _ForebayDataPlane(models), extension, 0).create_application()
    model_server.app.add_exception_handler(HTTPException, _error_response)
    model_server.app.openapi = openapi
    return model_server.app  # type: ignore[no-any-return]


async def _error_response(_: Request, error: Exception) -> JSONResponse:
    """Answer an unknown path in the same form as other errors."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": f"{error.detail}. Use {PATHS}."}, error.status_code, error.headers)
