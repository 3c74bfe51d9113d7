"""The services that stand behind a gate."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.contracts.manifest import DataManifest
from support.closable_proxy import Gate, gate_before
from support.deploy_run import DeployRun, deploy_run_in
from support.fault_cases.outages import forget_registered
from support.fault_cases.place import Place
from support.fault_cases.process import ended
from support.mlflow_server import mlflow_server
from support.s3_server import S3Store
from support.small_images import write_folder


@pytest.fixture(scope="session")
def shared_mlflow(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A real MLflow server behind a gate."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    shutil.copy(mlflow_template, folder / "mlflow.db")
    with mlflow_server(folder / "mlflow.db", folder / "artifacts") as url, gate_before(url) as gate:
        yield gate


@pytest.fixture
def mlflow_gate(shared_mlflow: Gate, tmp_path: Path) -> Gate:
    """The same, with nothing registered."""
    forget_registered(shared_mlflow, tmp_path)
    return shared_mlflow


@pytest.fixture(scope="session")
def s3_gate(s3_server: S3Store) -> Iterator[Gate]:
    """A real S3 server behind a gate, with the bucket `faults`."""
    s3_server.client.create_bucket(Bucket="faults")
    with gate_before(s3_server.environment["AWS_ENDPOINT_URL"]) as gate:
        yield gate


@pytest.fixture(scope="session")
def images_digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the rows of an ingest of `write_folder`'s images that nothing disturbed."""
    place = Place(tmp_path_factory.mktemp("images"))
    place.home.open()
    write_folder(place.images, 20)
    assert ended("ingest", place) == 0, place.events()
    return DataManifest.read(place.rows).digest


@pytest.fixture(scope="session")
def deploy_station(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployRun]:
    """A state folder whose server serves a champion."""
    with deploy_run_in(tmp_path_factory.mktemp("deploy-deploy_run"), mlflow_template) as deploy_run:
        deploy_run.deploy(deploy_run.release(seed=0))
        yield deploy_run
