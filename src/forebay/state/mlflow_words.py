"""MLflow's errors in one sentence with what mends it. MLflow is not imported: its errors are known by their facts."""

import os
import re
import shlex
import sys
from pathlib import Path

from forebay.errors import DamagedError
from forebay.settings.environment import MLFLOW_URI
from forebay.state.home import Home
from forebay.state.mask import without_passwords

USERNAME, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
REFUSED = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
OUT_OF_DATE = "out-of-date database schema"
LONGEST = 300  # of what a server said, in a message

_DAMAGE = re.compile(r"file is not a database|database disk image is malformed|malformed database schema")  # of sqlite
_DATABASE_ERRORS = ("MlflowException", "DatabaseError")
_STATUS = re.compile(r"failed with error code (\d{3})")
_BODY = re.compile(r"\s*Response body:.*", re.DOTALL)


def is_mlflows(error: BaseException) -> bool:
    """Whether MLflow raised it: one of its own errors, or of its HTTP client."""
    return any(kind.__module__.partition(".")[0] == "mlflow" for kind in type(error).__mro__)


def refused_status(error: BaseException) -> int | None:
    """401 or 403 where the server refuses the login, which another try would not mend."""
    if not is_mlflows(error):
        return None
    found = _STATUS.search(str(error))
    status = int(found[1]) if found else REFUSED.get(str(getattr(error, "error_code", "")), 0)
    return status if status in (401, 403) else None


def is_final(error: BaseException) -> bool:
    """Whether another try would fail in the same way."""
    if refused_status(error) is not None or is_of_damage(error):
        return True
    return is_mlflows(error) and OUT_OF_DATE in str(error)


def is_of_damage(error: BaseException) -> bool:
    """Whether sqlite found that its file is damaged, told by MLflow, by SQLAlchemy or by itself."""
    return (
        any(kind.__name__ in _DATABASE_ERRORS for kind in type(error).__mro__)
        and _DAMAGE.search(str(error)) is not None
    )


def damage(database: Path, problem: object) -> DamagedError:
    """The error for a damaged database of a state folder."""
    path = shlex.quote(str(database))
    return DamagedError(
        database,
        problem,
        lost="the runs with their curves, and which versions are registered; their files lie in mlartifacts/ still",
        mend=f"Put a copy of yours in its place, or begin a new one (mv {path} {path}.damaged && forebay run --fresh). "
        "What is served goes on answering.",
    )


def in_words(error: BaseException, where: str = "") -> str:
    """One sentence, without passwords and without the page that a server may have sent.

    Args:
        error: one of MLflow's.
        where: the server, for the message; the one of the environment where it is not given.
    """
    found = _DAMAGE.search(str(error)) if is_of_damage(error) else None
    if found and not os.environ.get(MLFLOW_URI):
        return str(damage(Home.find().mlflow_database, found[0]))
    where = where or without_passwords(os.environ.get(MLFLOW_URI, "")) or "the state folder"
    status = refused_status(error)
    if status:
        return f"MLflow at {where} refuses the login ({status}). {login_advice()}"
    text = " ".join(_BODY.sub("", without_passwords(str(error))).split())
    if OUT_OF_DATE in text:
        return f"{text.split('.')[0]}. {upgrade_advice(where)}"
    return f"MLflow at {where} failed: {text[:LONGEST]}" + ("…" if len(text) > LONGEST else "")


def login_advice() -> str:
    """Which variables of the login are not set, or are wrong."""
    missing = [name for name in (USERNAME, PASSWORD) if not os.environ.get(name)]
    token = bool(os.environ.get(TOKEN))
    if not missing:  # MLflow then sends these
        given = f"{USERNAME} or {PASSWORD} is wrong" + (f" ({TOKEN} is set too, and not used beside them)" * token)
    elif token:
        given = f"{TOKEN} is set, and wrong or expired"
    else:
        given = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set"
    return f"{given}. Set {USERNAME} and {PASSWORD}, or {TOKEN}, to a login that may read and write there."


def upgrade_advice(uri: str) -> str:
    """The whole command that migrates a database, with its path."""
    program = shlex.quote(str(Path(sys.executable).parent / "mlflow"))
    return f"Copy the database, then migrate it: {program} db upgrade {shlex.quote(uri)}"
