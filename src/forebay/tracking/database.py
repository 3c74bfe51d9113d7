"""MLflow's sqlite file in the state folder: made at once, and migrated where an older MLflow made it."""

import shutil
import sqlite3
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from forebay.errors import ConfigError, MachineError
from forebay.settings.environment import HOME_VARIABLE
from forebay.state import FileLock, Home
from forebay.state.mlflow_errors import damaged_database, upgrade_advice
from forebay.tracking.address import server_uri
from forebay.tracking.defaults import set_mlflow_defaults

SCHEMA_REVISION = "dc11669786a5"  # revision of the database that the pinned MLflow makes; a test holds the two equal


def schema_revision(database: Path) -> str | None:
    """The revision of the database's schema; None where there is no revision or no database.

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
    """The revisions that the installed MLflow can read or migrate, newest first."""
    set_mlflow_defaults()
    import mlflow
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
    return [script.revision for script in scripts.walk_revisions()]


def migrate_database(home: Home, show: Callable[[str], None] | None = None) -> None:
    """Migrate the database of the state folder where an older MLflow made it; a copy of the original stays beside it.

    A copy is migrated and replaces the original in one step, so that a kill leaves one of the two, whole.

    Args:
        home: the state folder, open.
        show: called with what was done; None prints it on standard error.

    Raises:
        ConfigError: a newer MLflow made it.
        MachineError: no copy can be made, or MLflow cannot migrate it; nothing is changed.
    """
    database = home.mlflow_database
    if server_uri() or schema_revision(database) in (None, SCHEMA_REVISION):
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
        copy = _copy_database(database, database.with_name(f"{database.name}.backup-{found}"))
        _replace_with_migrated(database, copy)
    told = f"{database} was of an older MLflow (schema {found}) and is migrated. As it was before: {copy}"
    (show or _print)(told)


def make_database(home: Home) -> None:
    """Make the sqlite file under another name and rename it.

    MLflow creates it by some hundred migrations. A process that is killed between two of them would leave a file that
    no later one can use or mend, and two processes that migrate at the same time disturb each other.
    """
    if home.mlflow_database.exists():
        return
    with FileLock(home.root / "mlflow.lock").held("making MLflow's database", wait=True):
        if home.mlflow_database.exists():
            return
        for leftover in home.root.glob(".mlflow-*"):
            leftover.unlink()
        unfinished = _temporary_file(home.mlflow_database)
        _run_migrations(unfinished)
        unfinished.replace(home.mlflow_database)


def _run_migrations(database: Path) -> None:
    import mlflow

    uri = f"sqlite:///{database}"
    mlflow.MlflowClient(uri, uri).search_experiments()


def _copy_database(database: Path, target: Path) -> Path:
    """Copy the database as it is now, whole or not at all."""
    unfinished = _temporary_file(database)
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


def _replace_with_migrated(database: Path, copy: Path) -> None:
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine_with_retry

    unfinished = _temporary_file(database)
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


def _temporary_file(database: Path) -> Path:
    """A new name on every call, because MLflow keeps a connection for each name as long as the process lives."""
    return database.with_name(f".mlflow-{uuid.uuid4().hex}.db")


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
