"""MLflow's and S3's login, asked for once before the first step; a healthy set-up costs one request, or none."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay import tracking
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
from forebay.settings.environment import (
    MLFLOW_CLIENT_CERTIFICATE,
    MLFLOW_MAX_RETRIES,
    MLFLOW_PASSWORD,
    MLFLOW_SERVER_CERTIFICATE,
    MLFLOW_TIMEOUT,
    MLFLOW_TOKEN,
    MLFLOW_URI,
    MLFLOW_USERNAME,
)
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import (
    explain_mlflow_error,
    is_mlflow_error,
    login_advice,
    refused_status,
    upgrade_advice,
)
from forebay.state.process_environment import environment_variables

if TYPE_CHECKING:
    from requests import Response

CONNECT_S, READ_S = 3.0, 5.0
ASKED = "/api/2.0/mlflow/experiments/search?max_results=1000"
HURRY = {MLFLOW_MAX_RETRIES: "0", MLFLOW_TIMEOUT: str(int(READ_S))}
# Logins that only MLflow's own client knows how to use, for the price of importing it:
OTHER_LOGINS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", MLFLOW_CLIENT_CERTIFICATE)
MLFLOWS_FIRST = "Default"  # the experiment that every server begins with: where new ones keep their artifacts, too
KEYS = " and ".join(CREDENTIAL_VARIABLES)
REFUSALS = {  # by S3's code
    "NoSuchBucket": "there is no such bucket. Make it, or correct the name",
    "404": "there is no such bucket. Make it, or correct the name",
    "ExpiredToken": "the credentials have expired. Renew AWS_SESSION_TOKEN with its AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY (`aws sso login`, or your administrator)",
    "RequestTimeTooSkewed": "this machine's clock is wrong. Set it: `timedatectl set-ntp true`",
}


Places = dict[str, str]  # where the artifacts of an experiment lie, by its name


def check_mlflow(home: Home, *, needed: bool = True) -> None:
    """Find out whether the tracking server takes the login; the state folder's own database is only brought up to date.

    Args:
        home: the state folder, open.
        needed: a server that is away is refused too, and so is a store of artifacts that this process would have to
            write itself; else only what the person can mend in the environment.

    Raises:
        MachineError: it does not answer as MLflow does, or refuses the login.
        ConfigError: the variable holds no address, or the database is of a newer MLflow.
    """
    tracking.migrate_database(home)
    uri = tracking.tracking_uri(home)
    if uri.startswith("sqlite:"):
        if os.environ.get(MLFLOW_URI):
            _check_schema(uri)
        return
    if re.match(r"[\w.-]+:\d+(/|$)", uri):
        raise ConfigError(f"{MLFLOW_URI}={uri} has no scheme. Write http://{uri} or https://{uri}.")
    if not uri.startswith(("http://", "https://")) or _has_another_login():
        places = _ask_with_mlflow(home, needed=needed)
    else:
        places = _ask(uri, needed=needed)
    if needed:
        check_artifacts(places.get(tracking.EXPERIMENT) or places.get(MLFLOWS_FIRST, ""))


def check_store(uri: str, what: str) -> None:
    """Find out whether the environment's credentials may list a place in S3.

    Args:
        uri: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        what: the setting or variable that holds it.

    Raises:
        ConfigError: it is no such URI.
        MachineError: no answer, no such bucket, or refused credentials.
    """
    location = parse_uri(uri, what)
    with _s3_in_words(f"{what}={uri} cannot be listed", ENDPOINT):
        check_listing(location, CHECK_TIMEOUTS)


def check_artifacts(place: str) -> None:
    """The same for MLflow's artifacts, where the server hands them to nobody and clients write to S3 themselves.

    Args:
        place: of an experiment's artifacts; only one in S3 is looked at.

    Raises:
        MachineError: no answer, no such bucket, or no or wrong credentials.
    """
    if not is_s3_uri(place):
        return
    location = parse_uri(place, "MLflow's artifacts")
    with _s3_in_words(f"MLflow keeps its artifacts in {place}, which cannot be reached", MLFLOW_ENDPOINT):
        try:
            check_listing(location, CHECK_TIMEOUTS, new_mlflow_client)
        except StoreRefusedError as error:
            if error.code != "AccessDenied":  # the right to list is not needed to write
                raise


@contextmanager
def _s3_in_words(where: str, endpoint: str) -> Iterator[None]:
    try:
        yield
    except MissingCredentialsError as error:
        missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
        names = " and ".join(missing or CREDENTIAL_VARIABLES)
        raise MachineError(f"{where}: there are no credentials. Set {names}.") from error
    except StoreRefusedError as error:
        temporary = "(and AWS_SESSION_TOKEN, where they are temporary)"
        wrong = f"S3 refuses the credentials ({error.code}). Correct {KEYS} {temporary}"
        raise MachineError(f"{where}: {REFUSALS.get(error.code, wrong)}.") from error
    except CredentialRenewalError as error:
        renew = f"Renew the token or identity that the environment names, or set {KEYS}."
        raise MachineError(f"{where}: {error}. {renew}") from error
    except StoreAccessError as error:
        correct = f"Start that server, or correct {endpoint} and AWS_REGION."
        raise MachineError(f"{where}: S3 does not answer: {error}. {correct}") from error


def check_checkpoint_store() -> None:
    """The same for the store of checkpoints, where one is set."""
    uri = os.environ.get(CHECKPOINT_STORE)
    if uri:
        check_store(uri, CHECKPOINT_STORE)


def check_source(data: str) -> None:
    """The same for images in S3."""
    if is_s3_uri(data):
        check_store(data, "ingest.data")


def checkpoint_store() -> CheckResult:
    """The store of checkpoints as a check of the doctor's."""
    try:
        check_checkpoint_store()
    except (ConfigError, MachineError) as error:
        return failed_with("checkpoints", error)
    return passed("checkpoints", f"copied to {os.environ.get(CHECKPOINT_STORE) or 'no store: none is set'}")


def _check_schema(uri: str) -> None:
    """A sqlite file of somebody's own is theirs to migrate."""
    found = tracking.schema_revision(Path(uri.removeprefix("sqlite:///").partition("?")[0]))
    if found in (None, tracking.SCHEMA_REVISION) or found == (known := tracking.known_revisions())[0]:
        return
    advice = (
        f"{upgrade_advice(uri)}" if found in known else "Use the version of MLflow that made it, or another address."
    )
    raise ConfigError(f"{MLFLOW_URI}={uri} is a database of another MLflow (schema {found}). {advice}")


def _ask(uri: str, *, needed: bool) -> Places:
    import requests

    shown = without_passwords(uri)
    try:
        answer = requests.get(
            uri.rstrip("/") + ASKED, timeout=(CONNECT_S, READ_S), headers=_authorization(), verify=_verify()
        )
    except (requests.RequestException, ValueError) as error:
        if needed:
            raise MachineError(
                f"MLflow does not answer at {shown} ({_cause(error)}). Start that server, correct {MLFLOW_URI}, or "
                "unset it: the state folder has an MLflow of its own."
            ) from error
        return {}
    return _judge(answer, shown, needed=needed)


def _judge(answer: "Response", shown: str, *, needed: bool) -> Places:
    """Tell MLflow's answer from a refusal, and from what another server says."""
    if answer.status_code in (401, 403):
        raise MachineError(f"MLflow at {shown} refuses the login ({answer.status_code}). {login_advice()}")
    found = _object(answer)
    if answer.status_code == 200 and found is not None:
        return {str(each.get("name")): str(each.get("artifact_location")) for each in found.get("experiments", [])}
    if not needed:
        return {}
    said = "a page" if answer.status_code == 200 else f"status {answer.status_code}"
    where = f" after a redirect to {without_passwords(answer.url).split('?')[0]}" if answer.history else ""
    raise MachineError(
        f"{shown} answers with {said}{where}, not as MLflow's API does. Correct {MLFLOW_URI} (with the path, where "
        f"MLflow has one); behind a login page of its own, set {MLFLOW_TOKEN}."
    )


def _ask_with_mlflow(home: Home, *, needed: bool) -> Places:
    try:
        with environment_variables(HURRY):
            found = tracking.client(home).search_experiments(max_results=1000)
        return {str(each.name): str(each.artifact_location) for each in found}
    except Exception as error:  # its stores let errors of database drivers and of HTTP through
        if needed or refused_status(error):
            words = explain_mlflow_error(error) if is_mlflow_error(error) else _cause(error)
            raise MachineError(f"{words} Correct {MLFLOW_URI} ({tracking.shown_uri(home)}).") from error
        return {}


def _has_another_login() -> bool:
    return any(os.environ.get(name) for name in OTHER_LOGINS) or (Path.home() / ".mlflow" / "credentials").is_file()


def _authorization() -> dict[str, str]:
    from base64 import standard_b64encode

    username, password, token = (os.environ.get(name) for name in (MLFLOW_USERNAME, MLFLOW_PASSWORD, MLFLOW_TOKEN))
    if username and password:
        return {"Authorization": f"Basic {standard_b64encode(f'{username}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _verify() -> Any:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return False
    return os.environ.get(MLFLOW_SERVER_CERTIFICATE) or True


def _object(answer: "Response") -> dict[str, Any] | None:
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cause(error: Exception) -> str:
    """The system's own words, which lie deep in an error of requests; else the kind of the error."""
    if "timed out" in str(error).lower():
        return f"nothing within {READ_S:.0f} s"
    found = re.search(r"\[Errno -?\d+\] ([\w ,'-]+)", str(error))
    return found[1] if found else type(error).__name__
