"""Settings of MLflow that hold wherever nobody sets others; they must be set before MLflow is imported."""

import os

from forebay.settings.environment import MLFLOW_NO_TELEMETRY

MLFLOW_DEFAULTS = {
    MLFLOW_NO_TELEMETRY: "true",  # it would phone home from the first import on
    # A server that proxies artifacts offers addresses inside its store, which a client behind a firewall cannot reach;
    # MLflow's client would try them for minutes and then give up, instead of asking the server.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
    # Where somebody's uv project is the working folder, its pyproject.toml and uv.lock would be copied into each model.
    "MLFLOW_UV_AUTO_DETECT": "false",
}


def set_mlflow_defaults() -> None:
    """Set them in the environment of this process."""
    for name, default in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, default)
