"""`helm test`: write and read an artifact, register a model version and fetch it, through the server as a client."""

import os
import sys
import tempfile
import uuid
from pathlib import Path

os.environ.setdefault("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "false")  # the store is the server's, not ours

import mlflow

NAME = "forebay-helm-test"


def main() -> None:
    """Do both, leave nothing, and end with a sentence and an exit code."""
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(NAME)
    experiment = found.experiment_id if found else client.create_experiment(NAME)
    run = client.create_run(experiment).info.run_id
    token = uuid.uuid4().hex
    try:
        client.log_text(run, token, "model/token.txt")
        with tempfile.TemporaryDirectory() as folder:
            read = Path(client.download_artifacts(run, "model/token.txt", folder)).read_text()
        if read != token:
            sys.exit(f"the artifact holds {read!r} and not {token!r}")
        if not client.search_registered_models(f"name = '{NAME}'"):
            client.create_registered_model(NAME)
        version = client.create_model_version(NAME, f"runs:/{run}/model", run).version
        fetched = client.get_model_version(NAME, version)
        if fetched.run_id != run:
            sys.exit(f"version {version} names run {fetched.run_id} and not {run}")
        client.delete_model_version(NAME, version)
    finally:
        client.delete_run(run)
    print(f"artifact and registry work: run {run}, version {version}")


main()
