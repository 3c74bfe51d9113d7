"""The one place that knows where MLflow is."""

import logging
import os
import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from forebay.errors import ConfigError, MachineError
from forebay.settings.cluster_environment import MLFLOW_VARIABLES
from forebay.settings.environment import HOME_VARIABLE, MLFLOW_NO_TELEMETRY, MLFLOW_URI
from forebay.state import FileLock, Home
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import damaged_database, upgrade_advice

if TYPE_CHECKING:
    from mlflow import MlflowClient

SCHEMA = "dc11669786a5"  # revision of the database that the pinned MLflow makes; a test holds the two equal
EXPERIMENT = "forebay"
CHAMPION = "champion"  # the alias of the version that serves
MLFLOW_DEFAULTS = {
    MLFLOW_NO_TELEMETRY: "true",  # it would phone home from the first import on
    # A server that proxies artifacts offers addresses inside its store, which a client behind a firewall cannot reach;
    # MLflow's client would try them for minutes and then give up, instead of asking the server.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def tracking_uri(home: Home) -> str:
    """`MLFLOW_TRACKING_URI` where it is set, else what the chart gave, else the sqlite file of the state folder."""
    return _server() or f"sqlite:///{home.mlflow_database}"


def shown_uri(home: Home) -> str:
    """`tracking_uri` for messages: without the user and password that it may carry."""
    return without_passwords(tracking_uri(home))


def is_used(home: Home) -> bool:
    """Tell whether anything can be recorded yet, without the seconds that making MLflow's database takes."""
    return bool(_server()) or home.mlflow_database.exists()


def client(home: Home) -> "MlflowClient":
    """A client of tracking server and registry. Importing MLflow takes seconds, so it happens here."""
    _set_defaults()
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # else it narrates its own bookkeeping on standard error
    if not _server():
        _make_database(home)
        bring_up_to_date(home)
    uri = tracking_uri(home)
    before = {name: os.environ.get(name) for name in (MLFLOW_URI, "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    for name, value in before.items():  # MLflow exports both; a child with its own home must not inherit ours
        if value is None:
            os.environ.pop(name, None)
    return mlflow.MlflowClient(uri, uri)


def _set_defaults() -> None:
    """Before MLflow is imported."""
    for name, default in MLFLOW_DEFAULTS.items():
        os.environ.setdefault(name, default)


def experiment_id(mlflow_client: "MlflowClient", home: Home) -> str:
    """The id of our experiment; made on first use with artifacts beside the database."""
    found = mlflow_client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    location = None if _server() else home.mlflow_artifacts.as_uri()
    from mlflow.exceptions import MlflowException

    try:
        return str(mlflow_client.create_experiment(EXPERIMENT, artifact_location=location))
    except MlflowException:
        found = mlflow_client.get_experiment_by_name(EXPERIMENT)  # another process may have been quicker
        if found is None:
            raise
        return str(found.experiment_id)


def _server() -> str:
    """The address of a tracking server; empty where there is none."""
    if not os.environ.get(MLFLOW_URI):
        for name, given in MLFLOW_VARIABLES.items():  # all of them: a login belongs to its address
            if os.environ.get(given):
                os.environ[name] = os.environ[given]
    return os.environ.get(MLFLOW_URI, "")


def _make_database(home: Home) -> None:
    """Make the sqlite file under another name and rename it.

    MLflow makes it by some hundred migrations, each on its own. A process killed between two of them would leave a
    file that no later one can use or mend, and two processes that migrate at once disturb each other.
    """
    if home.mlflow_database.exists():
        return
    with FileLock(home.root / "mlflow.lock").held("making MLflow's database", wait=True):
        if home.mlflow_database.exists():
            return
        for leftover in home.root.glob(".mlflow-*"):
            leftover.unlink()
        unfinished = _unfinished(home.mlflow_database)
        _migrate(unfinished)
        unfinished.replace(home.mlflow_database)


def _migrate(database: Path) -> None:
    import mlflow

    uri = f"sqlite:///{database}"
    mlflow.MlflowClient(uri, uri).search_experiments()


def schema_revision(database: Path) -> str | None:
    """The revision of the database's schema; None where it has none, or is not there.

    Raises:
        DamagedFileError: it is no database any more.
    """
    if database.is_file() and not database.stat().st_size:
        raise damaged_database(database, "it is empty")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True)) as connection:
            return str(connection.execute("select version_num from alembic_version").fetchone()[0])
    except (sqlite3.OperationalError, TypeError):  # no such table, or somebody writes
        return None
    except sqlite3.DatabaseError as error:
        raise damaged_database(database, error) from error


def known_revisions() -> list[str]:
    """Every revision that the installed MLflow can read or migrate, newest first."""
    _set_defaults()
    import mlflow
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return [script.revision for script in scripts.walk_revisions()]


def bring_up_to_date(home: Home, say: Callable[[str], None] | None = None) -> None:
    """Migrate the state folder's own database where an older MLflow made it; a copy stays beside it.

    The copy is migrated and takes the place of the original at once, so that a kill leaves either of them whole.

    Args:
        home: the state folder, open.
        say: told what was done; standard error where it is not given.

    Raises:
        ConfigError: a newer MLflow made it.
        MachineError: no copy can be made, or MLflow cannot migrate it; nothing is changed.
    """
    database = home.mlflow_database
    if _server() or schema_revision(database) in (None, SCHEMA):
        return
    with FileLock(home.root / "mlflow.lock").held("migrating MLflow's database", wait=True):
        found, known = schema_revision(database), known_revisions()
        if found is None or found == known[0]:  # another process was quicker
            return
        if found not in known:
            raise ConfigError(
                f"{database} was made by a newer MLflow: its schema is {found}, the newest known here is {known[0]}. "
                f"Use the Forebay that made it, or set {HOME_VARIABLE} to a new folder. Nothing was changed."
            )
        for leftover in home.root.glob(".mlflow-*"):
            leftover.unlink()
        copy = _copied(database, database.with_name(f"{database.name}.backup-{found}"))
        _replace_by_migrated(database, copy)
    told = f"{database} was of an older MLflow (schema {found}) and is migrated. As it was before: {copy}"
    (say or _on_screen)(told)


def _copied(database: Path, target: Path) -> Path:
    """A copy of the database as it is now, whole or not at all."""
    unfinished = _unfinished(database)
    try:
        if shutil.disk_usage(database.parent).free < 3 * database.stat().st_size:
            raise OSError("there is too little space for two copies of it")
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
        return unfinished.replace(target)
    except (OSError, sqlite3.Error) as error:
        unfinished.unlink(missing_ok=True)
        raise MachineError(
            f"{database} is of an older MLflow and must be migrated, and no copy of it can be made first: {error}. "
            f"Free some space in {database.parent} (or make it writable), and give the same command again. "
            "Nothing was changed."
        ) from error


def _replace_by_migrated(database: Path, copy: Path) -> None:
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

    unfinished = _unfinished(database)
    try:
        shutil.copyfile(copy, unfinished)
        engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{unfinished}")  # type: ignore[no-untyped-call]
        try:
            _upgrade_db(engine)  # type: ignore[no-untyped-call]  # what `mlflow db upgrade` calls
        finally:
            engine.dispose()
        unfinished.replace(database)
    except Exception as error:  # MLflow lets those of the database driver through
        unfinished.unlink(missing_ok=True)
        first_line = str(error).strip().partition("\n")[0]
        raise MachineError(
            f"{database} is of an older MLflow and could not be migrated ({first_line}). It is as it was, and so is "
            f"the copy {copy}. {upgrade_advice(f'sqlite:///{database}')} - or set {HOME_VARIABLE} to a new folder."
        ) from error


def _unfinished(database: Path) -> Path:
    """A new name each time: MLflow keeps a connection per name as long as the process lives."""
    return database.with_name(f".mlflow-{uuid.uuid4().hex}.db")


def _on_screen(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
