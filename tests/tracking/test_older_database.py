"""A state folder whose MLflow database is of an older or a newer MLflow."""

import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from forebay import tracking
from forebay.errors import ConfigError, MachineError
from forebay.local.checks import libraries
from forebay.local.checks.mlflow_login import check_mlflow_login
from forebay.state import Home

STEPS_BACK = 4  # revisions of the schema


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with a registered model, as a release before left it: MLflow's own migrations up to its revision."""
    from alembic import command
    from mlflow.store.db.utils import InitialBase, _get_alembic_config, create_sqlalchemy_engine_with_retry

    path = tmp_path_factory.mktemp("older") / "mlflow.db"
    revision = tracking.known_revisions()[STEPS_BACK]
    engine = create_sqlalchemy_engine_with_retry(f"sqlite:///{path}")
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(path)) as database:
        database.execute("insert into registered_models (name, creation_time) values ('digits', 1)")
        database.commit()
    assert tracking.schema_revision(path) == revision
    return path, revision


@pytest.fixture
def older_home(home: Home, older: tuple[Path, str]) -> Home:
    shutil.copy(older[0], home.mlflow_database)
    return home


def names(home: Home) -> list[str]:
    return [model.name for model in tracking.client(home).search_registered_models()]


def test_the_schema_that_is_expected_is_the_one_that_the_pinned_mlflow_makes() -> None:
    assert tracking.known_revisions()[0] == tracking.SCHEMA_REVISION


def test_an_older_database_is_migrated_after_a_copy_and_that_is_said(
    older_home: Home, older: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is of an older MLflow" in libraries.mlflow_store(older_home).detail
    assert tracking.schema_revision(older_home.mlflow_database) == older[1], "the doctor changes nothing"
    assert names(older_home) == ["digits"]
    copy = older_home.root / f"mlflow.db.backup-{older[1]}"
    said = capsys.readouterr().err
    assert f"{older_home.mlflow_database} was of an older MLflow (schema {older[1]}) and is migrated." in said
    assert str(copy) in said
    assert tracking.schema_revision(older_home.mlflow_database) == tracking.SCHEMA_REVISION
    assert tracking.schema_revision(copy) == older[1]
    assert not list(older_home.root.glob(".mlflow-*"))
    tracking.migrate_database(older_home)
    assert capsys.readouterr().err == ""


def test_two_processes_at_once_migrate_once(older_home: Home) -> None:
    program = (
        "from forebay.state import Home; from forebay.tracking import migrate_database; migrate_database(Home.find())"
    )
    command = [sys.executable, "-c", program]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=True), range(2)))
    assert sum("is migrated" in each.stderr for each in done) == 1
    assert tracking.schema_revision(older_home.mlflow_database) == tracking.SCHEMA_REVISION


def test_a_newer_database_is_refused_and_left_alone(mlflow_home: Home) -> None:
    with closing(sqlite3.connect(mlflow_home.mlflow_database)) as database:
        database.execute("update alembic_version set version_num = 'fffffffffff0'")
        database.commit()
    before = mlflow_home.mlflow_database.read_bytes()
    with pytest.raises(ConfigError, match="made by a newer MLflow: its schema is fffffffffff0"):
        tracking.client(mlflow_home)
    assert not libraries.mlflow_store(mlflow_home).ok
    assert mlflow_home.mlflow_database.read_bytes() == before
    assert not list(mlflow_home.root.glob("mlflow.db.backup-*"))


def test_without_room_for_a_copy_nothing_is_changed(older_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = older_home.mlflow_database.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
    with pytest.raises(MachineError, match="no copy of it can be made first: there is too little space"):
        tracking.migrate_database(older_home)
    assert older_home.mlflow_database.read_bytes() == before
    assert sorted(path.name for path in older_home.root.glob("*mlflow*")) == ["mlflow.db", "mlflow.lock"]


def test_what_mlflow_cannot_migrate_stays_as_it_was_and_the_whole_command_is_shown(mlflow_home: Home) -> None:
    with closing(sqlite3.connect(mlflow_home.mlflow_database)) as database:  # the schema is newer than it says
        database.execute(f"update alembic_version set version_num = '{tracking.known_revisions()[3]}'")
        database.commit()
    before = mlflow_home.mlflow_database.read_bytes()
    with pytest.raises(MachineError) as raised:
        tracking.migrate_database(mlflow_home)
    said = str(raised.value)
    assert f"{Path(sys.executable).parent}/mlflow db upgrade sqlite:///{mlflow_home.mlflow_database}" in said
    assert "\n" not in said
    assert mlflow_home.mlflow_database.read_bytes() == before
    assert not list(mlflow_home.root.glob(".mlflow-*"))


def test_a_database_that_an_address_names_is_its_owners_to_migrate(
    home: Home, older: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{older[0]}")
    with pytest.raises(ConfigError, match="is a database of another MLflow") as raised:
        check_mlflow_login(home)
    assert f"{Path(sys.executable).parent}/mlflow db upgrade sqlite:///{older[0]}" in str(raised.value)
    assert tracking.schema_revision(older[0]) == older[1]
