"""What every test of the built images needs: an engine, and images of the code under test."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from forebay import container_images
from forebay.errors import MachineError
from forebay.local.containers.engine import check_engine, engine_client
from support.opt_in import skip_unless_asked

if TYPE_CHECKING:
    from docker.client import DockerClient


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "runs container images: `make test-images`"
    skip_unless_asked(items, Path(__file__).parent, "FOREBAY_TEST_IMAGES", reason)


@pytest.fixture(scope="session")
def engine() -> "Iterator[DockerClient]":
    try:
        check_engine(container_images.RUN_IMAGES)
    except MachineError as error:
        pytest.fail(str(error))
    with engine_client() as client:
        yield client
