"""The ingest step on one Spark session, a short way to run it, and the S3 server in the environment."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from forebay.contracts.manifest import DataManifest
from forebay.ingest.index.parts import PartLimits
from forebay.ingest.spark.session import spark_session
from forebay.ingest.step import ingest
from forebay.settings import IngestConfig
from forebay.state import StepLog
from support.s3_server import S3Store

Ingest = Callable[..., DataManifest]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Store) -> Iterator[object]:
    """A session; `ingest` uses the one that its process has already.

    Its workers know the S3 server: they get the environment of the moment when the session starts.
    """
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3_server.environment.items():
                patch.setenv(name, value)
            session = stack.enter_context(spark_session(tmp_path_factory.mktemp("spark")))
        yield session


@pytest.fixture
def run_ingest(spark: object, steplog: StepLog) -> Ingest:
    """Run the step: `run_ingest(data, out, size="8x8", ...)`; `part_rows` cuts smaller parts than usual."""

    def run(data: Path | str, out: Path, part_rows: int = 1024, **settings: object) -> DataManifest:
        config = IngestConfig(data=str(data), **settings)  # type: ignore[arg-type]
        return ingest(out, config, steplog, limits=PartLimits(max_rows=part_rows))

    return run


@pytest.fixture
def s3(s3_server: S3Store, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The S3 server, named in this process's environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
