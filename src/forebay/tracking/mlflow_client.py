"""Clients of MLflow. Importing MLflow takes seconds, so functions import it."""

import logging
import os
from typing import TYPE_CHECKING

from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home
from forebay.tracking.address import server_uri, tracking_uri
from forebay.tracking.database import make_database, migrate_database
from forebay.tracking.defaults import set_mlflow_defaults

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "forebay"
CHAMPION = "champion"  # alias of the version that serves


def client(home: Home) -> "MlflowClient":
    """A client of the tracking server and of the registry."""
    set_mlflow_defaults()
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it narrates its own bookkeeping on standard error
    if not server_uri():
        make_database(home)
        migrate_database(home)
    uri = tracking_uri(home)
    before = {name: os.environ.get(name) for name in (MLFLOW_URI, "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name, value in before.items():  # MLflow exports both; a child with its own home must not inherit ours
        if value is None:
            os.environ.pop(name, None)
    return mlflow.MlflowClient(uri, uri)


def experiment_id(mlflow_client: "MlflowClient", home: Home) -> str:
    """The id of our experiment, which the first use creates with its artifacts beside the database."""
    found = mlflow_client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    location = None if server_uri() else home.mlflow_artifacts.as_uri()
    from mlflow.exceptions import MlflowException

    try:
        return str(mlflow_client.create_experiment(EXPERIMENT, artifact_location=location))
    except MlflowException:
        found = mlflow_client.get_experiment_by_name(EXPERIMENT)  # another process may have been quicker
        if found is None:
            raise
        return str(found.experiment_id)
