"""Fixtures that every area uses."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.settings.environment import MLFLOW_URI
from forebay.state import Home, StepLog
from support.made_once import home_with, made_once
from support.manual_clock import ManualClock
from support.s3_server import S3Store, running
from support.suite_time import pytest_addoption, pytest_runtest_setup, pytest_terminal_summary

__all__ = ["pytest_addoption", "pytest_runtest_setup", "pytest_terminal_summary"]  # hooks

# Tests and their children share the cores: a thread of torch's that waits for another one sleeps in place of spinning.
# Where others use the cores too, a training step then takes a quarter of the processor time, with the same numbers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded


@pytest.fixture
def clock() -> ManualClock:
    """Waiting for a server that is away takes no time: hand this clock in."""
    return ManualClock()


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
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with nothing in it, to copy; making one takes seconds."""

    def make(root: Path) -> None:
        from forebay import tracking

        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(MLFLOW_URI, raising=False)
            tracking.client(Home(root).open()).search_registered_models()

    return Home(made_once(tmp_path_factory, "mlflow", make)).mlflow_database


@pytest.fixture(scope="module")
def mlflow_database(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with nothing in it, for the tests of a module."""
    return Path(shutil.copy(mlflow_template, tmp_path_factory.mktemp("database") / "mlflow.db"))


@pytest.fixture
def mlflow_home(home: Home, mlflow_template: Path) -> Home:
    """A fresh state folder whose MLflow database is made already."""
    shutil.copy(mlflow_template, home.mlflow_database)
    return home


@pytest.fixture(scope="session")
def digits_prepared(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A state folder in which the first two steps of a run on the digits are cached; for `home_with`. Read only.

    Spark takes a third of a run's time, and what it does is the claim of few tests.
    """

    def make(root: Path) -> None:
        from forebay.local.runs.prepare import prepare_shards
        from forebay.local.runs.run import run_parameters

        home = home_with(mlflow_template, root)
        prepare_shards(home, home.tuning / "preparation", run_parameters(home, {}, "process"), bool, fresh=False)

    return Home(made_once(tmp_path_factory, "digits-prepared", make))


@pytest.fixture(scope="session")
def digits_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as preprocess lays them out. Read only."""

    def make(root: Path) -> None:
        from forebay.preprocess import preprocess
        from forebay.settings import PreprocessConfig
        from support.row_tables import digits_table

        log = StepLog(name="preprocess", run_id="", home=Home(root / "home").open(), events=root / "events.jsonl")
        digits_table(root / "table")
        preprocess(root / "table", root / "shards", PreprocessConfig(), log)

    return made_once(tmp_path_factory, "digits", make) / "shards"


def _fitted(factory: pytest.TempPathFactory, shards: Path, name: str, **how: int) -> Path:
    """A small model of the digits."""
    from support.tiny_models import fit_mlp

    return made_once(factory, name, lambda folder: fit_mlp(shards, folder, **how))


@pytest.fixture(scope="session")
def digits_bundle(digits_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained model of the digits, about 96 % right. Read only."""
    return _fitted(tmp_path_factory, digits_shards, "bundle", steps=60)


@pytest.fixture(scope="session")
def poor_digits_bundle(digits_shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A barely trained one, plainly worse. Read only."""
    return _fitted(tmp_path_factory, digits_shards, "poor", steps=8, seed=1)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    """A real S3 server with no buckets; clients need its `environment`."""
    with running(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which S3 is not set up, whatever this machine's is."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
