"""A short way to run a batch in this process, on the area's Spark session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.local.batch.request import BatchRequest, BatchResult
from forebay.local.batch.run import predict_sources
from forebay.local.server.champions import resolve_reference
from forebay.settings import IngestConfig
from forebay.state import StepLog

RunBatch = Callable[..., BatchResult]


def batch_request(bundle: Path, out: Path, *sources: Path | str, steplog: StepLog, **more: object) -> BatchRequest:
    """A batch with the model of a bundle's folder."""
    name, desired = resolve_reference(steplog.home, str(bundle))
    return BatchRequest(
        sources=tuple(map(str, sources)), out=out, name=name, version="", desired=desired, config=IngestConfig(),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def run_batch(spark: object, steplog: StepLog) -> RunBatch:
    """Run a batch: `run_batch(bundle, out, source, …, top=3)`."""

    def run(bundle: Path, out: Path, *sources: Path | str, **more: object) -> BatchResult:
        return predict_sources(batch_request(bundle, out, *sources, steplog=steplog, **more), steplog)

    return run
