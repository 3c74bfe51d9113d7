"""Give the runner of pipelines a login of its own at MLflow: no administrator, and the same one at every upgrade."""

import os
import time

import requests
from mlflow import MlflowException
from mlflow.server import get_app_client

PATIENCE_S = 600  # for a server that is starting
NAME, PASSWORD = os.environ["RUNNER_USERNAME"], os.environ["RUNNER_PASSWORD"]


def wait(address: str) -> None:
    """Return once the server answers."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            requests.get(f"{address}/health", timeout=5).raise_for_status()
        except requests.RequestException:
            if time.monotonic() > end:
                raise
            time.sleep(2)
        else:
            return


def main() -> None:
    """Make the user, or set its password where it is there."""
    address = os.environ["MLFLOW_TRACKING_URI"]
    wait(address)
    client = get_app_client("basic-auth", tracking_uri=address)
    try:
        client.create_user(NAME, PASSWORD)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        client.update_user_password(NAME, PASSWORD)
    print(f"MLflow knows the user {NAME}")


main()
