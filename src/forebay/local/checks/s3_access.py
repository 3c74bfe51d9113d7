"""Whether this environment's credentials reach the places in S3 that a run needs; asked before the first step."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from forebay.backend.check import CheckResult, failed_with, passed
from forebay.errors import ConfigError, MachineError
from forebay.object_store import CHECK_TIMEOUTS, is_s3_uri, new_mlflow_client, parse_uri
from forebay.object_store.access import (
    CredentialRenewalError,
    MissingCredentialsError,
    StoreAccessError,
    StoreRefusedError,
    check_listing,
)
from forebay.object_store.variables import CREDENTIAL_VARIABLES, ENDPOINT, MLFLOW_ENDPOINT
from forebay.settings.cluster_environment import CHECKPOINT_STORE

CREDENTIALS = " and ".join(CREDENTIAL_VARIABLES)
NO_BUCKET = "there is no such bucket. Make it, or correct the name"
PROBLEMS = {  # by the error code of S3
    "NoSuchBucket": NO_BUCKET,
    "404": NO_BUCKET,
    "ExpiredToken": "the credentials have expired. Renew AWS_SESSION_TOKEN with its AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY (`aws sso login`, or your administrator)",
    "RequestTimeTooSkewed": "this machine's clock is wrong. Set it: `timedatectl set-ntp true`",
}


def check_s3_access(uri: str, setting: str) -> None:
    """Refuse credentials that may not list a place in S3.

    Args:
        uri: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        setting: the setting or variable that holds it.

    Raises:
        ConfigError: it is no such URI.
        MachineError: no answer, no such bucket, or refused credentials.
    """
    location = parse_uri(uri, setting)
    with _explained_errors(f"{setting}={uri} cannot be listed", ENDPOINT):
        check_listing(location, CHECK_TIMEOUTS)


def check_data_source(data: str) -> None:
    """Refuse credentials that may not list the images, where these are in S3; see `check_s3_access`."""
    if is_s3_uri(data):
        check_s3_access(data, "ingest.data")


def check_checkpoint_store() -> None:
    """Refuse credentials that may not list the store of checkpoints, where one is set; see `check_s3_access`."""
    uri = os.environ.get(CHECKPOINT_STORE)
    if uri:
        check_s3_access(uri, CHECKPOINT_STORE)


def checkpoint_store() -> CheckResult:
    """The store of checkpoints can be listed."""
    try:
        check_checkpoint_store()
    except (ConfigError, MachineError) as error:
        return failed_with("checkpoints", error)
    return passed("checkpoints", f"copied to {os.environ.get(CHECKPOINT_STORE) or 'no store: none is set'}")


def check_artifact_access(uri: str) -> None:
    """Refuse credentials that cannot reach MLflow's artifacts, where clients write these to S3 themselves.

    Args:
        uri: where an experiment keeps its artifacts; only a place in S3 is checked.

    Raises:
        MachineError: no answer, no such bucket, or no or wrong credentials.
    """
    if not is_s3_uri(uri):
        return
    location = parse_uri(uri, "MLflow's artifacts")
    with _explained_errors(f"MLflow keeps its artifacts in {uri}, which cannot be reached", MLFLOW_ENDPOINT):
        try:
            check_listing(location, CHECK_TIMEOUTS, new_mlflow_client)
        except StoreRefusedError as error:
            if error.code != "AccessDenied":  # writing does not need the right to list
                raise


@contextmanager
def _explained_errors(where: str, endpoint_variable: str) -> Iterator[None]:
    """Turn a StoreAccessError into a MachineError that says what to change."""
    try:
        yield
    except MissingCredentialsError as error:
        missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
        names = " and ".join(missing or CREDENTIAL_VARIABLES)
        raise MachineError(f"{where}: there are no credentials. Set {names}.") from error
    except StoreRefusedError as error:
        correct = f"Correct {CREDENTIALS} (and AWS_SESSION_TOKEN, where they are temporary)"
        problem = PROBLEMS.get(error.code, f"S3 refuses the credentials ({error.code}). {correct}")
        raise MachineError(f"{where}: {problem}.") from error
    except CredentialRenewalError as error:
        renew = f"Renew the token or identity that the environment names, or set {CREDENTIALS}."
        raise MachineError(f"{where}: {error}. {renew}") from error
    except StoreAccessError as error:
        correct = f"Start that server, or correct {endpoint_variable} and AWS_REGION."
        raise MachineError(f"{where}: S3 does not answer: {error}. {correct}") from error
