"""The one place that knows where MLflow is."""

import logging
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.state import FileLock, Home
from forebay.state.mask import without_passwords

if TYPE_CHECKING:
    from mlflow import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
RUN_VARIABLE = "MLFLOW_RUN_ID"  # a run that somebody began for this process: Kubeflow Pipelines' MLflow integration
# What the chart gives to steps. The names differ from MLflow's own, because that integration sets those, and a pod with
# one variable from two sources is refused.
GIVEN = {
    URI_VARIABLE: "FOREBAY_MLFLOW_URI",
    "MLFLOW_TRACKING_USERNAME": "FOREBAY_MLFLOW_USERNAME",
    "MLFLOW_TRACKING_PASSWORD": "FOREBAY_MLFLOW_PASSWORD",
}
EXPERIMENT = "forebay"
CHAMPION = "champion"  # the alias of the version that serves
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it would phone home from the first import on
    # A server that proxies artifacts offers addresses inside its store, which a client behind a firewall cannot reach;
    # MLflow's client would try them for minutes and then give up, instead of asking the server.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def tracking_uri(home: Home) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else what the chart gave, else the sqlite file of the state folder."""
    return _server() or f"sqlite:///{home.mlflow_database}"


def shown_uri(home: Home) -> str:
    """`tracking_uri` for messages: without the user and password that it may carry."""
    return without_passwords(tracking_uri(home))


def is_used(home: Home) -> bool:
    """Tell whether anything can be recorded yet, without the seconds that making MLflow's database takes."""
    return bool(_server()) or home.mlflow_database.exists()


def client(home: Home) -> "MlflowClient":
    """A client of tracking server and registry. Importing MLflow takes seconds, so it happens here."""
    for name, default in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, default)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it narrates its own bookkeeping on standard error
    if not _server():
        _make_database(home)
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
    location = None if _server() else home.mlflow_artifacts.as_uri()
    from mlflow.exceptions import MlflowException

    try:
        return str(mlflow_client.create_experiment(EXPERIMENT, artifact_location=location))
    except MlflowException:
        found = mlflow_client.get_experiment_by_name(EXPERIMENT)  # another process may have been quicker
        if found is None:
            raise
        return str(found.experiment_id)


def _server() -> str:
    """The address of a tracking server; empty where there is none."""
    if not os.environ.get(URI_VARIABLE):
        for name, given in GIVEN.items():  # all of them: a login belongs to its address
            if os.environ.get(given):
                os.environ[name] = os.environ[given]
    return os.environ.get(URI_VARIABLE, "")


def _make_database(home: Home) -> None:
    """Make the sqlite file under another name and rename it.

    MLflow makes it by some hundred migrations, each on its own. A process killed between two of them would leave a
    file that no later one can use or mend, and two processes that migrate at once disturb each other.
    """
    if home.mlflow_database.exists():
        return
    with FileLock(home.root / "mlflow.lock").held("making MLflow's database", wait=True):
        if home.mlflow_database.exists():
            return
        for leftover in home.root.glob(".mlflow-*"):
            leftover.unlink()
        # A new name each time: MLflow keeps a connection per name as long as the process lives.
        unfinished = home.root / f".mlflow-{uuid.uuid4().hex}.db"
        _migrate(unfinished)
        unfinished.replace(home.mlflow_database)


def _migrate(database: Path) -> None:
    import mlflow

    uri = f"sqlite:///{database}"
    mlflow.MlflowClient(uri, uri).search_experiments()
