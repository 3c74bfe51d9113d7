"""What every test of the built images needs: an engine, and images of the code under test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from forebay import container_images
from forebay.containers.client import check, connected
from forebay.errors import MachineError

if TYPE_CHECKING:
    from docker.client import DockerClient

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without `make test-images` one line says why; with it, missing images are a failure and no skip."""
    if os.environ.get("FOREBAY_TEST_IMAGES") == "1":
        return
    skip = pytest.mark.skip(reason="runs container images: `make images`, then `make test-images`")
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def engine() -> "Iterator[DockerClient]":
    try:
        check(container_images.OF_A_RUN)
    except MachineError as error:
        pytest.fail(str(error))
    with connected() as client:
        yield client
