"""What of the caller's environment reaches a step's container: variables for S3 and MLflow, and the files they name.

The key that signs models reaches the step that signs, and no other.
"""

import os
from pathlib import Path
from typing import Any

from forebay.errors import ConfigError
from forebay.settings.environment import MLFLOW_URI, SIGNING_KEY, SIGNING_PASSPHRASE
from forebay.state.key_variables import SIGNER

PREFIXES = ("AWS_", "MLFLOW_")  # nothing else of the shell does
FILES = (
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
)
PROFILE_FILES = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}  # of ~/.aws


def passed_on(step: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Variables for a step's container, and its volumes: the files that they name, under their own paths."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    if "AWS_PROFILE" in variables:  # read from the home folder, which no container has
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
