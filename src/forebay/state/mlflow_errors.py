"""MLflow's errors in one sentence each, with what mends them. They are recognized without importing MLflow."""

import os
import re
import shlex
import sys
from pathlib import Path

from forebay.errors import DamagedFileError
from forebay.settings.environment import MLFLOW_PASSWORD, MLFLOW_TOKEN, MLFLOW_URI, MLFLOW_USERNAME
from forebay.state.home import Home
from forebay.state.mask import without_passwords

LOGIN_STATUS = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
OUT_OF_DATE = "out-of-date database schema"
MAX_SHOWN = 300  # a message repeats no more of what a server said

_DAMAGE = re.compile(
    r"file is not a database|database disk image is malformed|malformed database schema"
)  # in sqlite's words
_DATABASE_ERRORS = ("MlflowException", "DatabaseError")
_STATUS = re.compile(r"failed with error code (\d{3})")
_BODY = re.compile(r"\s*Response body:.*", re.DOTALL)


def is_mlflow_error(error: BaseException) -> bool:
    """Whether MLflow or its HTTP client raised the error."""
    return any(kind.__module__.partition(".")[0] == "mlflow" for kind in type(error).__mro__)


def refused_status(error: BaseException) -> int | None:
    """The HTTP status 401 or 403 where the server refuses the login; None for every other error."""
    if not is_mlflow_error(error):
        return None
    found = _STATUS.search(str(error))
    status = int(found[1]) if found else LOGIN_STATUS.get(str(getattr(error, "error_code", "")), 0)
    return status if status in (401, 403) else None


def is_permanent_error(error: BaseException) -> bool:
    """Whether another try would fail in the same way."""
    if refused_status(error) is not None or is_database_damage(error):
        return True
    return is_mlflow_error(error) and OUT_OF_DATE in str(error)


def is_database_damage(error: BaseException) -> bool:
    """Whether sqlite found its file damaged; the error may be wrapped by MLflow or SQLAlchemy."""
    return (
        any(kind.__name__ in _DATABASE_ERRORS for kind in type(error).__mro__)
        and _DAMAGE.search(str(error)) is not None
    )


def damaged_database(database: Path, problem: object) -> DamagedFileError:
    """The error that says that the database of a state folder is damaged."""
    path = shlex.quote(str(database))
    return DamagedFileError(
        database,
        problem,
        lost="the runs with their curves, and which versions are registered; their files lie in mlartifacts/ still",
        mend=f"Put a copy of yours in its place, or begin a new one (mv {path} {path}.damaged && forebay run --fresh). "
        "What is served goes on answering.",
    )


def explain_mlflow_error(error: BaseException, where: str = "") -> str:
    """The error as one sentence, without passwords and without a web page that a server sent.

    Args:
        error: an error for which `is_mlflow_error` or `is_database_damage` holds.
        where: the server's address for the message; empty takes the address from the environment.
    """
    found = _DAMAGE.search(str(error)) if is_database_damage(error) else None
    if found and not os.environ.get(MLFLOW_URI):
        return str(damaged_database(Home.find().mlflow_database, found[0]))
    where = where or without_passwords(os.environ.get(MLFLOW_URI, "")) or "the state folder"
    status = refused_status(error)
    if status:
        return f"MLflow at {where} refuses the login ({status}). {login_advice()}"
    text = " ".join(_BODY.sub("", without_passwords(str(error))).split())
    if OUT_OF_DATE in text:
        return f"{text.split('.')[0]}. {upgrade_advice(where)}"
    return f"MLflow at {where} failed: {text[:MAX_SHOWN]}" + ("…" if len(text) > MAX_SHOWN else "")


def login_advice() -> str:
    """A sentence that names the login variables that are not set, or are wrong."""
    missing = [name for name in (MLFLOW_USERNAME, MLFLOW_PASSWORD) if not os.environ.get(name)]
    has_token = bool(os.environ.get(MLFLOW_TOKEN))
    both = f"{MLFLOW_USERNAME} and {MLFLOW_PASSWORD}"
    if not missing:  # MLflow then sends these
        unused = f" ({MLFLOW_TOKEN} is set too, and not used beside them)" if has_token else ""
        given = f"{MLFLOW_USERNAME} or {MLFLOW_PASSWORD} is wrong{unused}"
    elif has_token:
        given = f"{MLFLOW_TOKEN} is set, and wrong or expired"
    else:
        given = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    return f"{given}. Set {both}, or {MLFLOW_TOKEN}, to a login that may read and write there."


def upgrade_advice(uri: str) -> str:
    """The command that migrates a database, with the full path of MLflow."""
    program = shlex.quote(str(Path(sys.executable).parent / "mlflow"))
    return f"Copy the database, then migrate it: {program} db upgrade {shlex.quote(uri)}"
