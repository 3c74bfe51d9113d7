"""Fixtures that every area uses."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.state import Home, StepLog
from s3_store import S3Store, running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fresh state folder that this process and its children use."""
    root = tmp_path / "home"
    monkeypatch.setenv("FOREBAY_HOME", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(root).open()


@pytest.fixture
def steplog(home: Home) -> StepLog:
    """A step's log that writes into a run folder of `home`."""
    run = home.new_run()
    return StepLog(name="test", run_id=run.run_id, home=home, events=run.events)


@pytest.fixture(scope="session")
def _mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with nothing in it; making one takes seconds, a copy does not."""
    from forebay import tracking

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(tracking.URI_VARIABLE, raising=False)
        empty = Home(tmp_path_factory.mktemp("mlflow") / "home").open()
        tracking.client(empty).search_registered_models()
    return empty.mlflow_database


@pytest.fixture(scope="module")
def mlflow_database(_mlflow_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with nothing in it, for the tests of a module."""
    return Path(shutil.copy(_mlflow_database, tmp_path_factory.mktemp("database") / "mlflow.db"))


@pytest.fixture
def mlflow_home(home: Home, _mlflow_database: Path) -> Home:
    """A fresh state folder whose MLflow database is made already."""
    shutil.copy(_mlflow_database, home.mlflow_database)
    return home


@pytest.fixture(scope="session")
def digits_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as preprocess lays them out. Read only."""
    from forebay.preprocess import preprocess
    from forebay.settings import PreprocessConfig
    from row_tables import digits_table

    root = tmp_path_factory.mktemp("digits")
    log = StepLog(name="preprocess", run_id="", home=Home(root / "home").open(), events=root / "events.jsonl")
    digits_table(root / "table")
    preprocess(root / "table", root / "shards", PreprocessConfig(), log)
    return root / "shards"


@pytest.fixture(scope="session")
def digits_bundle(digits_shards: Path) -> Path:
    """A small trained model of the digits, about 96 % right. Read only."""
    from tiny_models import fit_mlp

    fit_mlp(digits_shards, digits_shards.parent / "bundle", steps=60)
    return digits_shards.parent / "bundle"


@pytest.fixture(scope="session")
def poor_digits_bundle(digits_shards: Path) -> Path:
    """A barely trained one, plainly worse. Read only."""
    from tiny_models import fit_mlp

    fit_mlp(digits_shards, digits_shards.parent / "poor", steps=8, seed=1)
    return digits_shards.parent / "poor"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """A real S3 server with no buckets; clients need its `environment`."""
    with running(tmp_path_factory.mktemp("s3")) as store:
        yield store
