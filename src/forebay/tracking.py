"""The one place that knows where MLflow is."""

import logging
import os
from typing import TYPE_CHECKING

from forebay.state import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT = "forebay"
CHAMPION = "champion"  # the alias of the version that serves


def tracking_uri(home: Home) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else the sqlite file of the state folder."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{home.mlflow_database}"


def is_used(home: Home) -> bool:
    """Tell whether anything can be recorded yet, without the seconds that making MLflow's database takes."""
    return bool(os.environ.get(URI_VARIABLE)) or home.mlflow_database.exists()


def client(home: Home) -> "MlflowClient":
    """A client of tracking server and registry. Importing MLflow takes seconds, so it happens here."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would phone home from the first import on
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it narrates its own bookkeeping on standard error
    uri = tracking_uri(home)
    before = {name: os.environ.get(name) for name in (URI_VARIABLE, "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name, value in before.items():  # MLflow exports both; a child with its own home must not inherit ours
        if value is None:
            os.environ.pop(name, None)
    return mlflow.MlflowClient(uri, uri)


def experiment_id(mlflow_client: "MlflowClient", home: Home) -> str:
    """The id of our experiment; made on first use with artifacts beside the database."""
    found = mlflow_client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    location = None if os.environ.get(URI_VARIABLE) else home.mlflow_artifacts.as_uri()
    return str(mlflow_client.create_experiment(EXPERIMENT, artifact_location=location))
