"""One server process for all tests that only send requests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.models import Classifier, load_bundle
from support.tiny_inference_server import RunningServer, server_process, write_bundle

# Of training images that are noise: 0.5 bright, of much contrast, and no neighbour like the next one.
NOISE = {
    "rows": 1000, "low": [0.4, 0.2, -0.3], "high": [0.6, 0.4, 0.3], "shrink": 1.0, "aspects": [1.0, 1.0], "grey": True,
}  # fmt: skip


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles: `grey` takes 8x8x1, `colour` 6x10x3, letterboxed and of 12 bits."""
    folder = tmp_path_factory.mktemp("models")
    write_bundle(folder / "grey", seed=1, training_images=NOISE)
    write_bundle(folder / "colour", seed=2, shape=(6, 10, 3), classes=4, fit="letterbox", bits=12)
    return folder


@pytest.fixture(scope="session")
def server(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of both; its body limit is 1 MiB, so that tests reach it cheaply."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    options = ("--max-body-mib", "1", "--model-version", "7")
    with server_process(bundles, log, *options, python=("-X", "importtime")) as running:
        yield running


@pytest.fixture(scope="session")
def grey(bundles: Path) -> Classifier:
    return load_bundle(bundles / "grey")


@pytest.fixture(scope="session")
def colour(bundles: Path) -> Classifier:
    return load_bundle(bundles / "colour")
