"""MLflow's and S3's login, asked for once before the first step; a healthy set-up costs one request, or none."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay import tracking
from forebay.cluster.given import CHECKPOINT_STORE
from forebay.doctor.check import Check, explained, passed
from forebay.doctor.storage import CREDENTIAL_VARIABLES, quick_client
from forebay.errors import ConfigError, MachineError
from forebay.object_store import SCHEME, ObjectFolder
from forebay.settings.ingest import S3_SPELLINGS
from forebay.state import Home
from forebay.state.mask import without_passwords
from forebay.state.mlflow_words import (
    PASSWORD,
    TOKEN,
    USERNAME,
    in_words,
    is_mlflows,
    login_advice,
    refused_status,
    upgrade_advice,
)
from forebay.tracking import URI_VARIABLE

if TYPE_CHECKING:
    from requests import Response

CONNECT_S, READ_S = 3.0, 5.0
ASKED = "/api/2.0/mlflow/experiments/search?max_results=1"
HURRY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(int(READ_S))}
# Logins that only MLflow's own client knows how to use, for the price of importing it:
OTHER_LOGINS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_TRACKING_CLIENT_CERT_PATH")
KEYS = " and ".join(CREDENTIAL_VARIABLES)
REFUSALS = {  # by S3's code
    "NoSuchBucket": "there is no such bucket. Make it, or correct the name",
    "404": "there is no such bucket. Make it, or correct the name",
    "ExpiredToken": "the credentials have expired. Renew AWS_SESSION_TOKEN with its AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY (`aws sso login`, or your administrator)",
    "RequestTimeTooSkewed": "this machine's clock is wrong. Set it: `timedatectl set-ntp true`",
}


def check_mlflow(home: Home, *, needed: bool = True) -> None:
    """Find out whether the tracking server takes the login; the state folder's own database is only brought up to date.

    Args:
        home: the state folder, open.
        needed: a server that is away is refused too; else only what the person can mend in the environment.

    Raises:
        MachineError: it does not answer as MLflow does, or refuses the login.
        ConfigError: the variable holds no address, or the database is of a newer MLflow.
    """
    tracking.bring_up_to_date(home)
    uri = tracking.tracking_uri(home)
    if uri.startswith("sqlite:"):
        if os.environ.get(URI_VARIABLE):
            _check_schema(uri)
        return
    if re.match(r"[\w.-]+:\d+(/|$)", uri):
        raise ConfigError(f"{URI_VARIABLE}={uri} has no scheme. Write http://{uri} or https://{uri}.")
    if not uri.startswith(("http://", "https://")) or _has_another_login():
        _ask_with_mlflow(home, needed=needed)
    else:
        _ask(uri, needed=needed)


def check_store(uri: str, what: str) -> None:
    """Find out whether the environment's credentials may list a place in S3.

    Args:
        uri: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        what: the setting or variable that holds it.

    Raises:
        ConfigError: it is no such URI.
        MachineError: no answer, no such bucket, or refused credentials.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        CredentialRetrievalError,
        NoCredentialsError,
        PartialCredentialsError,
        TokenRetrievalError,
    )

    folder, where = ObjectFolder.parse(uri, what), f"{what}={uri} cannot be listed"
    try:
        quick_client().list_objects_v2(Bucket=folder.bucket, Prefix=folder.prefix, MaxKeys=1)
    except (NoCredentialsError, PartialCredentialsError) as error:
        missing = [name for name in CREDENTIAL_VARIABLES if not os.environ.get(name)]
        names = " and ".join(missing or CREDENTIAL_VARIABLES)
        raise MachineError(f"{where}: there are no credentials. Set {names}.") from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        wrong = f"S3 refuses the credentials ({code}). Correct {KEYS} (and AWS_SESSION_TOKEN, where they are temporary)"
        raise MachineError(f"{where}: {REFUSALS.get(code, wrong)}.") from error
    except (CredentialRetrievalError, TokenRetrievalError) as error:
        renew = f"Renew the token or identity that the environment names, or set {KEYS}."
        raise MachineError(f"{where}: {error}. {renew}") from error
    except (BotoCoreError, ValueError) as error:
        correct = "Start that server, or correct AWS_ENDPOINT_URL and AWS_REGION."
        raise MachineError(f"{where}: S3 does not answer: {error}. {correct}") from error


def check_checkpoint_store() -> None:
    """The same for the store of checkpoints, where one is set."""
    uri = os.environ.get(CHECKPOINT_STORE)
    if uri:
        check_store(uri, CHECKPOINT_STORE)


def check_source(data: str) -> None:
    """The same for pictures in S3."""
    for spelling in S3_SPELLINGS:
        if data.startswith(spelling):
            check_store(SCHEME + data.removeprefix(spelling), "ingest.data")
            return


def checkpoint_store() -> Check:
    """The store of checkpoints as a check of the doctor's."""
    try:
        check_checkpoint_store()
    except (ConfigError, MachineError) as error:
        return explained("checkpoints", error)
    return passed("checkpoints", f"copied to {os.environ.get(CHECKPOINT_STORE) or 'no store: none is set'}")


def _check_schema(uri: str) -> None:
    """A sqlite file of somebody's own is theirs to migrate."""
    found = tracking.schema_revision(Path(uri.removeprefix("sqlite:///").partition("?")[0]))
    if found in (None, tracking.SCHEMA) or found == (known := tracking.known_revisions())[0]:
        return
    advice = (
        f"{upgrade_advice(uri)}" if found in known else "Use the version of MLflow that made it, or another address."
    )
    raise ConfigError(f"{URI_VARIABLE}={uri} is a database of another MLflow (schema {found}). {advice}")


def _ask(uri: str, *, needed: bool) -> None:
    import requests

    shown = without_passwords(uri)
    try:
        answer = requests.get(
            uri.rstrip("/") + ASKED, timeout=(CONNECT_S, READ_S), headers=_authorization(), verify=_verify()
        )
    except (requests.RequestException, ValueError) as error:
        if needed:
            raise MachineError(
                f"MLflow does not answer at {shown} ({_cause(error)}). Start that server, correct {URI_VARIABLE}, or "
                "unset it: the state folder has an MLflow of its own."
            ) from error
        return
    _judge(answer, shown, needed=needed)


def _judge(answer: "Response", shown: str, *, needed: bool) -> None:
    """Tell MLflow's answer from a refusal, and from what another server says."""
    if answer.status_code in (401, 403):
        raise MachineError(f"MLflow at {shown} refuses the login ({answer.status_code}). {login_advice()}")
    if not needed or (answer.status_code == 200 and _is_object(answer)):
        return
    said = "a page" if answer.status_code == 200 else f"status {answer.status_code}"
    where = f" after a redirect to {without_passwords(answer.url).split('?')[0]}" if answer.history else ""
    raise MachineError(
        f"{shown} answers with {said}{where}, not as MLflow's API does. Correct {URI_VARIABLE} (with the path, where "
        f"MLflow has one); behind a login page of its own, set {TOKEN}."
    )


def _ask_with_mlflow(home: Home, *, needed: bool) -> None:
    try:
        with _hurried():
            tracking.client(home).search_experiments(max_results=1)
    except Exception as error:  # its stores let errors of database drivers and of HTTP through
        if needed or refused_status(error):
            words = in_words(error) if is_mlflows(error) else _cause(error)
            raise MachineError(f"{words} Correct {URI_VARIABLE} ({tracking.shown_uri(home)}).") from error


@contextmanager
def _hurried() -> Iterator[None]:
    """MLflow's own patience, minutes as a rule, cut to seconds for the block."""
    before = {name: os.environ.get(name) for name in HURRY}
    os.environ.update(HURRY)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _has_another_login() -> bool:
    return any(os.environ.get(name) for name in OTHER_LOGINS) or (Path.home() / ".mlflow" / "credentials").is_file()


def _authorization() -> dict[str, str]:
    from base64 import standard_b64encode

    username, password, token = (os.environ.get(name) for name in (USERNAME, PASSWORD, TOKEN))
    if username and password:
        return {"Authorization": f"Basic {standard_b64encode(f'{username}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _verify() -> Any:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return False
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _is_object(answer: "Response") -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False


def _cause(error: Exception) -> str:
    """The system's own words, which lie deep in an error of requests; else the kind of the error."""
    if "timed out" in str(error).lower():
        return f"nothing within {READ_S:.0f} s"
    found = re.search(r"\[Errno -?\d+\] ([\w ,'-]+)", str(error))
    return found[1] if found else type(error).__name__
