"""What of the caller's environment reaches a step's container: variables for S3 and MLflow, and the files they name.

The key that signs models reaches the step that signs, and no other.
"""

import os
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.object_store.variables import CONFIG_FILE, CREDENTIALS_FILE, FILE_VARIABLES, PROFILE
from forebay.settings.environment import (
    MLFLOW_CLIENT_CERTIFICATE,
    MLFLOW_SERVER_CERTIFICATE,
    MLFLOW_URI,
    SIGNING_KEY,
    SIGNING_PASSPHRASE,
)
from forebay.state.key_variables import SIGNER

PREFIXES = ("AWS_", "MLFLOW_")  # nothing else of the shell does
FILES = (*FILE_VARIABLES, MLFLOW_CLIENT_CERTIFICATE, MLFLOW_SERVER_CERTIFICATE)
PROFILE_FILES = {CONFIG_FILE: "config", CREDENTIALS_FILE: "credentials"}  # files of ~/.aws


def passed_on(step: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Variables for a step's container, and its volumes: the files that they name, under their own paths."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    if PROFILE in variables:  # read from the home folder, which no container has
        for name, file in PROFILE_FILES.items():
            variables.setdefault(name, str(Path.home() / ".aws" / file))
    if step == SIGNER:
        variables |= {name: os.environ[name] for name in (SIGNING_KEY, SIGNING_PASSPHRASE) if name in os.environ}
    paths = [Path(variables[name]) for name in (*FILES, SIGNING_KEY) if name in variables]
    volumes: dict[str, Any] = {str(path): {"bind": str(path), "mode": "ro"} for path in paths if path.is_file()}
    return variables, volumes


def check_environment() -> None:
    """Find out before a run what a container could not follow.

    Raises:
        ConfigError: MLflow's store is a file, which would lie in another place inside.
    """
    uri = os.environ.get(MLFLOW_URI, "")
    if uri.startswith(("sqlite:", "file:", "/", ".")):
        raise ConfigError(
            f"{MLFLOW_URI}={uri} names a file, which containers do not see. Unset it (the state folder has a store "
            "of its own), give the address of a tracking server, or run without `--runner docker`."
        )
