"""Whether MLflow takes this environment's login, asked before the first step; it costs at most one request."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay import tracking
from forebay.errors import ConfigError, MachineError
from forebay.local.checks.s3_access import check_artifact_access
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

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 3.0, 5.0
SEARCH_EXPERIMENTS = "/api/2.0/mlflow/experiments/search?max_results=1000"
SINGLE_TRY = {MLFLOW_MAX_RETRIES: "0", MLFLOW_TIMEOUT: str(int(READ_TIMEOUT_S))}
# Logins that only MLflow's own client can use; importing it takes seconds:
OTHER_LOGINS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", MLFLOW_CLIENT_CERTIFICATE)
DEFAULT_EXPERIMENT = "Default"  # every server has it; new experiments keep their artifacts beside its own

ArtifactLocations = dict[str, str]  # by the name of the experiment


def check_mlflow_login(home: Home, *, needed: bool = True) -> None:
    """Refuse a tracking server that refuses the login; migrate the state folder's own database where it is older.

    Args:
        home: the state folder, open.
        needed: whether to refuse a server that does not answer too, and artifacts in S3 that this process could not
            write. Without it, only a refused login and a malformed variable are errors.

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
    if not uri.startswith(("http://", "https://")) or _has_other_login():
        locations = _search_with_mlflow(home, needed=needed)
    else:
        locations = _search(uri, needed=needed)
    if needed:
        check_artifact_access(locations.get(tracking.EXPERIMENT) or locations.get(DEFAULT_EXPERIMENT, ""))


def _check_schema(uri: str) -> None:
    """Refuse a sqlite file of the user's with another schema: only the user may migrate it."""
    found = tracking.schema_revision(Path(uri.removeprefix("sqlite:///").partition("?")[0]))
    if found in (None, tracking.SCHEMA_REVISION) or found == (known := tracking.known_revisions())[0]:
        return
    advice = upgrade_advice(uri) if found in known else "Use the version of MLflow that made it, or another address."
    raise ConfigError(f"{MLFLOW_URI}={uri} is a database of another MLflow (schema {found}). {advice}")


def _search(uri: str, *, needed: bool) -> ArtifactLocations:
    """Ask with requests, which is imported in a tenth of the time that MLflow's client takes."""
    import requests

    shown = without_passwords(uri)
    try:
        response = requests.get(
            uri.rstrip("/") + SEARCH_EXPERIMENTS,
            timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            headers=_authorization(),
            verify=_verify(),
        )
    except (requests.RequestException, ValueError) as error:
        if needed:
            raise MachineError(
                f"MLflow does not answer at {shown} ({_cause(error)}). Start that server, correct {MLFLOW_URI}, or "
                "unset it: the state folder has an MLflow of its own."
            ) from error
        return {}
    return _locations_in(response, shown, needed=needed)


def _locations_in(response: "Response", shown: str, *, needed: bool) -> ArtifactLocations:
    """Tell MLflow's answer from a refusal, and from the answer of another server."""
    if response.status_code in (401, 403):
        raise MachineError(f"MLflow at {shown} refuses the login ({response.status_code}). {login_advice()}")
    found = _json_object(response)
    if response.status_code == 200 and found is not None:
        return {str(each.get("name")): str(each.get("artifact_location")) for each in found.get("experiments", [])}
    if not needed:
        return {}
    answer = "a page" if response.status_code == 200 else f"status {response.status_code}"
    where = f" after a redirect to {without_passwords(response.url).split('?')[0]}" if response.history else ""
    raise MachineError(
        f"{shown} answers with {answer}{where}, not as MLflow's API does. Correct {MLFLOW_URI} (with the path, where "
        f"MLflow has one); if the server is behind a login page, set {MLFLOW_TOKEN}."
    )


def _search_with_mlflow(home: Home, *, needed: bool) -> ArtifactLocations:
    try:
        with environment_variables(SINGLE_TRY):
            found = tracking.client(home).search_experiments(max_results=1000)
        return {str(each.name): str(each.artifact_location) for each in found}
    except Exception as error:  # its stores let errors of database drivers and of HTTP through
        if needed or refused_status(error):
            reason = explain_mlflow_error(error) if is_mlflow_error(error) else _cause(error)
            raise MachineError(f"{reason} Correct {MLFLOW_URI} ({tracking.shown_uri(home)}).") from error
        return {}


def _has_other_login() -> bool:
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


def _json_object(response: "Response") -> dict[str, Any] | None:
    try:
        found = response.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _cause(error: Exception) -> str:
    """The system's message, which is nested deep in an error of requests; else the class of the error."""
    if "timed out" in str(error).lower():
        return f"nothing within {READ_TIMEOUT_S:.0f} s"
    found = re.search(r"\[Errno -?\d+\] ([\w ,'-]+)", str(error))
    return found[1] if found else type(error).__name__
