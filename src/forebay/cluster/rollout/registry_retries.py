"""Requests to the registry during a rollout: where MLflow's server is away for a moment, they are retried."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from forebay.errors import ModelError
from forebay.kube.retries import RequestFailedError, RetryBudget
from forebay.settings.environment import MLFLOW_MAX_RETRIES, MLFLOW_TIMEOUT
from forebay.state.mask import without_passwords
from forebay.state.process_environment import environment_variables

if TYPE_CHECKING:
    from mlflow import MlflowException

Result = TypeVar("Result")
# MLflow's own retries last for minutes, tell nobody and delay a signal. Its one retry here obeys a Retry-After.
SHORT_MLFLOW_RETRIES = {
    MLFLOW_MAX_RETRIES: "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    MLFLOW_TIMEOUT: "60",
}


class RegistryError(RequestFailedError, ModelError):
    """MLflow's server refused a request, or did not answer it."""

    def __init__(self, error: "MlflowException") -> None:
        message = without_passwords(" ".join(str(error).split())).rstrip(".")
        status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]  # 500 for a broken connection, too
        super().__init__(f"MLflow's registry: {message}. Is its server up?", status, message)


def retry_registry(retry_budget: RetryBudget, action: Callable[[], Result]) -> Result:
    """Call the action, and call it again from its start where the server is away: it must bear being repeated.

    Raises:
        RegistryError: the server refuses, or is away for longer than the budget allows.
        ModelError: the action raised it.
    """
    return retry_budget.retry(lambda: _call(action))


def _call(action: Callable[[], Result]) -> Result:
    from mlflow import MlflowException

    unset = {name: value for name, value in SHORT_MLFLOW_RETRIES.items() if name not in os.environ}
    try:
        with environment_variables(unset):  # what a person set stays
            return action()
    except MlflowException as error:
        raise RegistryError(error) from error
    except ModelError as error:
        if isinstance(error.__cause__, MlflowException):  # a bundle that could not be fetched
            raise RegistryError(error.__cause__) from error
        raise
