"""The registry as a rollout asks it: where MLflow's server is away for a moment, it is asked again."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from forebay.errors import ModelError
from forebay.kube.retries import Patience, Refused
from forebay.settings.environment import MLFLOW_MAX_RETRIES, MLFLOW_TIMEOUT
from forebay.state.mask import without_passwords
from forebay.state.process_environment import environment_variables

if TYPE_CHECKING:
    from mlflow import MlflowException

Result = TypeVar("Result")
# MLflow's own tries last for minutes, tell nobody, and hold a signal up; one of them obeys a Retry-After, ours go on.
BRIEF = {
    MLFLOW_MAX_RETRIES: "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    MLFLOW_TIMEOUT: "60",
}


class RegistryError(Refused, ModelError):
    """MLflow's server refused, or none answers."""

    def __init__(self, error: "MlflowException") -> None:
        words = without_passwords(" ".join(str(error).split())).rstrip(".")
        super().__init__(f"MLflow's registry: {words}. Is its server up?")
        self.status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]  # of a connection that breaks off as well: 500
        self.said = words


def insist(patience: Patience, ask: Callable[[], Result]) -> Result:
    """Ask the registry, again from the start where its server is away; so it may only be asked what is done once.

    Raises:
        RegistryError: the server refuses, or is away for longer than is borne.
        ModelError: as `ask` raises it.
    """
    return patience.insist(lambda: _asked(ask))


def _asked(ask: Callable[[], Result]) -> Result:
    from mlflow import MlflowException

    try:
        with environment_variables(
            {name: value for name, value in BRIEF.items() if name not in os.environ}
        ):  # a person's stay
            return ask()
    except MlflowException as error:
        raise RegistryError(error) from error
    except ModelError as error:
        if isinstance(error.__cause__, MlflowException):  # a bundle that could not be fetched
            raise RegistryError(error.__cause__) from error
        raise
