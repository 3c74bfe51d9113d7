"""What a step's container gets from the caller's environment: variables for S3 and MLflow, and files that they name.

The key that signs models reaches the step that signs, and no other.
"""

import os
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.object_store import is_s3_uri
from forebay.object_store.variables import CONFIG_FILE, CREDENTIALS_FILE, FILE_VARIABLES, PROFILE
from forebay.settings.environment import (
    MLFLOW_CLIENT_CERTIFICATE,
    MLFLOW_SERVER_CERTIFICATE,
    MLFLOW_URI,
    SIGNING_KEY,
    SIGNING_PASSPHRASE,
    WEIGHTS_STORE_VARIABLE,
)
from forebay.state.key_variables import SIGNER

PASSED_PREFIXES = ("AWS_", "MLFLOW_")  # a container gets no other variable of the shell
PASSED_FILES = (*FILE_VARIABLES, MLFLOW_CLIENT_CERTIFICATE, MLFLOW_SERVER_CERTIFICATE)
# Where train finds published weights; HF_TOKEN opens those behind a licence. The hub's cache stays outside.
WEIGHTS_VARIABLES = (WEIGHTS_STORE_VARIABLE, "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN")
PROFILE_FILES = {CONFIG_FILE: "config", CREDENTIALS_FILE: "credentials"}  # files of ~/.aws


def step_environment(step: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The variables of a step's container, and its volumes: the files that these name, at the same paths."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED_PREFIXES)}
    if PROFILE in variables:  # MLflow and boto3 read it from the home folder, which no container has
        for name, file in PROFILE_FILES.items():
            variables.setdefault(name, str(Path.home() / ".aws" / file))
    if step == SIGNER:
        variables |= {name: os.environ[name] for name in (SIGNING_KEY, SIGNING_PASSPHRASE) if name in os.environ}
    if step == "train":
        variables |= {name: os.environ[name] for name in WEIGHTS_VARIABLES if name in os.environ}
    paths = [Path(variables[name]) for name in (*PASSED_FILES, SIGNING_KEY) if name in variables]
    mounted = [path for path in paths if path.is_file()]
    store = variables.get(WEIGHTS_STORE_VARIABLE, "")
    if store and not is_s3_uri(store):
        variables[WEIGHTS_STORE_VARIABLE] = str(Path(store).expanduser().absolute())
        mounted += [path for path in [Path(variables[WEIGHTS_STORE_VARIABLE])] if path.is_dir()]
    volumes: dict[str, Any] = {str(path): {"bind": str(path), "mode": "ro"} for path in mounted}
    return variables, volumes


def check_container_environment() -> None:
    """Refuse an environment before a run that a container could not use.

    Raises:
        ConfigError: MLflow's store is a file, which no container sees.
    """
    uri = os.environ.get(MLFLOW_URI, "")
    if uri.startswith(("sqlite:", "file:", "/", ".")):
        raise ConfigError(
            f"{MLFLOW_URI}={uri} names a file, which containers do not see. Unset it (the state folder has a store "
            "of its own), give the address of a tracking server, or run without `--runner docker`."
        )
